//! The way through the groups of a config, from target to target (pure: clocks and chance go in).

use std::sync::Arc;

use super::{
    breaker::is_open,
    choose::{Chosen, View, choose, refused},
    outcome::{Outcome, Source},
};
use crate::{
    context::{Choice, ConfigObject, Mode},
    rejection::Rejection,
};

/// Where a request is: the groups with further targets that it has come through, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Walk(Vec<Place>);

/// In a group that goes on to its next target when one fails.
#[derive(Debug)]
struct Place {
    group: Arc<ConfigObject>,
    /// The target that was asked last.
    at: usize,
    /// Every circuit was open, so none counts.
    all_open: bool,
}

impl Walk {
    /// The first target.
    pub(super) fn first(&mut self, root: &Arc<ConfigObject>, view: &View<'_>) -> Result<Arc<ConfigObject>, Rejection> {
        self.down(Arc::clone(root), view)
    }

    /// The target to ask after the one that was asked last. `None`: what came of that one is what comes of the request.
    pub(super) fn next(&mut self, outcome: Outcome, view: &View<'_>) -> Result<Option<Arc<ConfigObject>>, Rejection> {
        if outcome.source == Source::Exception {
            self.0.clear();
        }
        while let Some(place) = self.0.last_mut() {
            match place.next(outcome, view.now) {
                Some(target) => {
                    let (status, path) = (outcome.status, text(&place.group));
                    tracing::debug!(target: "tower_portkey::decision", step = "strategy", path, status, "fallback");
                    return self.down(target, view).map(Some);
                }
                None => self.0.pop(),
            };
        }
        Ok(None)
    }

    /// Whether there is a target to ask after this outcome.
    pub(super) fn goes_on(&self, outcome: Outcome, now: u64) -> bool {
        outcome.source != Source::Exception && self.0.iter().any(|place| place.find(outcome, now).is_some())
    }

    /// Whether there may be a target to ask after this one.
    pub(super) fn may_go_on(&self) -> bool {
        self.0.iter().any(|place| place.targets().len() > place.at + 1)
    }

    /// From a group to the target that it chooses.
    fn down(&mut self, mut object: Arc<ConfigObject>, view: &View<'_>) -> Result<Arc<ConfigObject>, Rejection> {
        while let Some(branch) = &object.branch {
            let Chosen { index, mode, reason } = choose(branch, text(&object), view)?;
            let target = branch.targets.get(index).map(|choice| Arc::clone(&choice.object));
            let target = target.ok_or_else(|| refused(format!("{} has no targets", text(&object))))?;
            let path = text(&target);
            tracing::debug!(target: "tower_portkey::decision", step = "strategy", path, mode, reason, "chosen");
            if matches!(branch.mode, Mode::Fallback { .. }) {
                let all_open = is_open(&object, view.now);
                self.0.push(Place { group: object, at: index, all_open });
            }
            object = target;
        }
        Ok(object)
    }
}

impl Place {
    fn targets(&self) -> &[Choice] {
        self.group.branch.as_ref().map_or(&[], |branch| &branch.targets)
    }

    fn next(&mut self, outcome: Outcome, now: u64) -> Option<Arc<ConfigObject>> {
        let (at, choice) = self.find(outcome, now)?;
        let target = Arc::clone(&choice.object);
        self.at = at;
        Some(target)
    }

    /// The next target that may be asked, if this is an answer to go on after.
    fn find(&self, outcome: Outcome, now: u64) -> Option<(usize, &Choice)> {
        let goes_on = match &self.group.branch.as_ref()?.mode {
            Mode::Fallback { on_status_codes: Some(codes) } => outcome.is_one_of(codes),
            Mode::Fallback { on_status_codes: None } => !outcome.is_success(),
            Mode::Single | Mode::LoadBalance { .. } | Mode::Conditional { .. } => false,
        };
        let open = |choice: &Choice| !self.all_open && is_open(&choice.object, now);
        let mut rest = self.targets().iter().enumerate().skip(self.at + 1);
        rest.find(|(_, choice)| goes_on && !open(choice))
    }
}

/// How many targets there are below.
pub(super) fn leaves(object: &ConfigObject) -> usize {
    object.branch.as_ref().map_or(1, |branch| branch.targets.iter().map(|choice| leaves(&choice.object)).sum())
}

/// Where an object of a config stands.
pub(super) fn text(object: &ConfigObject) -> &str {
    object.path.to_str().unwrap_or("config")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::{
        context::{Branch, Breaker, Condition, Field, Metadata, Operand, Query, Test},
        rejection::Kind,
        strategy::facts::Facts,
    };

    fn at(path: &str, branch: Option<Branch>) -> Arc<ConfigObject> {
        let path = HeaderValue::from_str(path).expect(path);
        Arc::new(ConfigObject { path, branch, ..ConfigObject::default() })
    }

    fn choice(object: Arc<ConfigObject>) -> Choice {
        Choice { name: Some(text(&object).into()), weight: 1.0, object }
    }

    fn leaf(path: &str) -> Choice {
        choice(at(path, None))
    }

    fn group(path: &str, mode: Mode, targets: Vec<Choice>) -> Arc<ConfigObject> {
        at(path, Some(Branch { mode, targets }))
    }

    fn fallback(codes: Option<&[u16]>) -> Mode {
        Mode::Fallback { on_status_codes: codes.map(<[u16]>::to_vec) }
    }

    fn answer(status: u16) -> Outcome {
        Outcome { status, source: Source::Provider }
    }

    /// The targets that are asked, until there is no other or the answers are used up.
    fn asked(
        root: &Arc<ConfigObject>,
        answers: &[Outcome],
        now: u64,
        chance: fn() -> f64,
    ) -> Result<String, Rejection> {
        let (headers, metadata) = (HeaderMap::new(), Metadata::from_json(br#"{"team":"a"}"#));
        let facts = Facts::new(&headers, "/v1/chat/completions", &metadata, None);
        let view = View { facts, now, since_1970: Duration::ZERO, chance };
        let mut walk = Walk::default();
        let mut seen = vec![walk.first(root, &view)?];
        for answer in answers {
            let (may_go_on, goes_on) = (walk.may_go_on(), walk.goes_on(*answer, now));
            let next = walk.next(*answer, &view)?;
            assert_eq!(goes_on, next.is_some());
            let Some(next) = next else { break };
            assert!(may_go_on);
            seen.push(next);
        }
        Ok(seen.iter().map(|leaf| text(leaf)).collect::<Vec<_>>().join(" "))
    }

    fn path(root: &Arc<ConfigObject>, statuses: &[u16]) -> String {
        let answers: Vec<_> = statuses.iter().map(|status| answer(*status)).collect();
        asked(root, &answers, 0, || 0.0).expect("a target")
    }

    #[test]
    fn a_fallback_goes_on_where_it_should() {
        let three = || vec![leaf("0"), leaf("1"), leaf("2")];
        let open = group("config", fallback(None), three());
        let listed = group("config", fallback(Some(&[429, 503])), three());
        for (root, statuses, expected) in [
            (&open, &[200][..], "0"),
            (&open, &[204], "0"),
            (&open, &[500, 200], "0 1"),
            (&open, &[400, 404, 200], "0 1 2"),
            (&open, &[302, 404, 500], "0 1 2"),
            (&listed, &[500], "0"),
            (&listed, &[429, 500], "0 1"),
            (&listed, &[429, 503, 429], "0 1 2"),
            (&listed, &[200], "0"),
        ] {
            assert_eq!(path(root, statuses), expected, "{statuses:?}");
        }
    }

    #[test]
    fn an_exception_ends_every_fallback_and_a_refusal_or_a_silent_provider_none() {
        let inner = choice(group("0", fallback(None), vec![leaf("0.0"), leaf("0.1")]));
        let root = group("config", fallback(None), vec![inner, leaf("1")]);
        for (source, expected) in
            [(Source::Exception, "0.0"), (Source::Refusal, "0.0 0.1 1"), (Source::Network, "0.0 0.1 1")]
        {
            let outcome = Outcome { status: 503, source };
            assert_eq!(asked(&root, &[outcome, outcome], 0, || 0.0).ok().as_deref(), Some(expected), "{source:?}");
        }
    }

    #[test]
    fn groups_within_groups() {
        let inner = || choice(group("0", fallback(Some(&[429])), vec![leaf("0.0"), leaf("0.1")]));
        let single = choice(group("1", Mode::Single, vec![leaf("1.0"), leaf("1.1")]));
        let root = group("config", fallback(None), vec![inner(), single, inner()]);
        for (statuses, expected) in [
            // The inner group doesn't go on for a 500, the outer one does.
            (&[500, 200][..], "0.0 1.0"),
            (&[429, 200], "0.0 0.1"),
            (&[429, 429, 500, 500, 500], "0.0 0.1 1.0 0.0"),
        ] {
            assert_eq!(path(&root, statuses), expected, "{statuses:?}");
        }
        let root = group("config", Mode::LoadBalance { sticky: None }, vec![leaf("0"), inner()]);
        let outcome = answer(429);
        assert_eq!(asked(&root, &[outcome], 0, || 0.0).ok().as_deref(), Some("0"));
        assert_eq!(asked(&root, &[outcome, outcome], 0, || 0.9).ok().as_deref(), Some("0.0 0.1"));
    }

    #[test]
    fn conditions_choose_by_name_and_say_what_is_wrong() {
        let is = |team: &str| Query::Test(Field::Metadata("team".into()), Test::Equal(Operand::Text(team.into())));
        let strange = || Query::Test(Field::Path, Test::Unsupported("$zz".into()));
        let choose = |conditions: Vec<(Query, &str)>, default: Option<&str>| {
            let conditions =
                conditions.into_iter().map(|(query, then)| Condition { query, then: then.into() }).collect();
            let mode = Mode::Conditional { conditions, default: default.map(Into::into) };
            let root = group("config", mode, vec![leaf("0"), leaf("1")]);
            asked(&root, &[answer(500)], 0, || 0.0).map_err(|error| (error.kind(), error.message().to_owned()))
        };
        let refused = |message: &str| Err((Kind::InvalidRequest, message.to_owned()));
        assert_eq!(choose(vec![(is("b"), "0"), (is("a"), "1")], Some("0")), Ok("1".to_owned()));
        assert_eq!(choose(vec![(is("b"), "0")], Some("1")), Ok("1".to_owned()));
        assert_eq!(choose(vec![], Some("1")), Ok("1".to_owned()));
        assert_eq!(choose(vec![(is("a"), "0"), (strange(), "1")], None), Ok("0".to_owned()));
        for (conditions, default, message) in [
            (vec![], None, "No conditions passed in the query router"),
            (vec![(is("b"), "0")], None, "Query router did not resolve to any valid target"),
            (vec![(is("b"), "0")], Some(""), "Query router did not resolve to any valid target"),
            (vec![(is("a"), "X")], Some("0"), "Invalid target name found in the query router: X"),
            (vec![(is("b"), "0")], Some("X"), "Invalid target name found in the query router: X"),
            (vec![(strange(), "0")], Some("0"), "Unsupported operator used in the query router: $zz"),
        ] {
            assert_eq!(choose(conditions, default), refused(message), "{message}");
        }
    }

    #[test]
    fn nothing_to_choose_is_the_configs_fault() {
        let weights = |weights: &[f64]| {
            let targets = weights.iter().enumerate().map(|(index, weight)| {
                let object = at(&index.to_string(), None);
                Choice { name: None, weight: *weight, object }
            });
            group("config.targets[1]", Mode::LoadBalance { sticky: None }, targets.collect())
        };
        for chance in [|| 0.0, || 0.999] {
            assert_eq!(asked(&weights(&[0.0, 1.0, 0.0]), &[], 0, chance).ok().as_deref(), Some("1"));
        }
        for (root, message) in [
            (weights(&[0.0, 0.0]), "No target of config.targets[1] has a weight above 0"),
            (weights(&[]), "No target of config.targets[1] has a weight above 0"),
            (group("config", fallback(None), vec![]), "config has no targets"),
            (group("config", Mode::Single, vec![]), "config has no targets"),
        ] {
            let error = asked(&root, &[], 0, || 0.0).expect_err(message);
            assert_eq!((error.kind(), error.message()), (Kind::InvalidRequest, message));
        }
    }

    #[test]
    fn open_circuits_are_left_out_unless_all_are() {
        let target = |path: &str, weight: f64, open: bool| {
            let breaker = Breaker::new(1, Duration::from_secs(30), None);
            breaker.opened.store(open.into(), std::sync::atomic::Ordering::Release);
            let path = HeaderValue::from_str(path).expect(path);
            let object = Arc::new(ConfigObject { path, breaker: Some(breaker), ..ConfigObject::default() });
            Choice { name: None, weight, object }
        };
        let all = |mode: fn() -> Mode, open: [bool; 3]| {
            let targets = (0..3).map(|index| target(&index.to_string(), 1.0, open[index])).collect();
            group("config", mode(), targets)
        };
        let failed = [answer(502), answer(502)];
        let in_order: fn() -> Mode = || Mode::Fallback { on_status_codes: None };
        for (open, now, expected) in [
            ([true, false, false], 0, "1 2"),
            ([false, true, false], 0, "0 2"),
            ([false, true, true], 0, "0"),
            ([true, true, true], 0, "0 1 2"),
            ([true, false, false], 30_000, "0 1 2"),
        ] {
            let found = asked(&all(in_order, open), &failed, now, || 0.0).ok();
            assert_eq!(found.as_deref(), Some(expected), "{open:?} {now}");
        }
        let by_weight: fn() -> Mode = || Mode::LoadBalance { sticky: None };
        assert_eq!(asked(&all(by_weight, [true, false, true]), &[], 0, || 0.0).ok().as_deref(), Some("1"));
        assert_eq!(asked(&all(by_weight, [true, false, true]), &[], 0, || 0.9).ok().as_deref(), Some("1"));
        assert_eq!(asked(&all(by_weight, [true; 3]), &[], 0, || 0.9).ok().as_deref(), Some("2"));
        // Who has no weight is never chosen, not even alone.
        let targets = vec![target("0", 0.0, false), target("1", 1.0, true)];
        let root = group("config", by_weight(), targets);
        assert_eq!(asked(&root, &[], 0, || 0.0).ok().as_deref(), Some("1"));
    }

    #[test]
    fn leaves_are_counted_through_all_groups() {
        assert_eq!(leaves(&at("config", None)), 1);
        let inner = choice(group("0", Mode::Single, vec![leaf("0.0"), leaf("0.1")]));
        assert_eq!(leaves(&group("config", Mode::Single, vec![inner, leaf("1")])), 3);
    }
}
