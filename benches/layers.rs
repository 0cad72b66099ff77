//! Each layer against the bare leaf, which drops the request. A layer's cost is its figure less that of the `leaf/…` above
//! it: `leaf/read` for a request as it comes in, the other two for what the layers before have left.

mod shared;

use std::{
    error::Error,
    future::{Ready, ready},
};

use http::request::Parts;
use shared::{Leaf, behind, bench};
use tower::Layer;
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, ModelLayer, PortkeyAuthLayer, RequireScopeLayer, RescueLayer, ResolveLayer,
    StrategyLayer,
    guard::{Decision, Guard, GuardLayer},
    rejection::Rejection,
};

/// Lets everybody in, at once or after a wait that is over at once.
struct Open {
    later: bool,
}

impl Guard for Open {
    type Grant = ();
    type Future = Ready<Result<(), Rejection>>;

    fn decide(&self, _: &Parts) -> Decision<(), Self::Future> {
        if self.later { Decision::Later(ready(Ok(()))) } else { Decision::pass(()) }
    }

    fn admit(&self, _: &mut Parts, (): ()) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let (keys, key) = shared::keys()?;
    let (extract, auth, scope) = (ExtractLayer::new(), PortkeyAuthLayer::new(keys), RequireScopeLayer::by_route());
    let (config, model, entries) = (ConfigLayer::new(), ModelLayer::default(), ModelLayer::new(shared::entries()?));
    let (strategy, resolve) = (StrategyLayer::new(), ResolveLayer::new());
    let (inject, rescue) = (InjectLayer::new(), RescueLayer::new());

    let read = shared::python(&key)?;
    let extracted = behind(&extract, &read)?;
    let authenticated = behind(&auth, &extracted)?;
    let configured = behind(&config, &authenticated)?;
    let resolved = behind(&resolve, &configured)?;
    let named = behind(&auth, &behind(&extract, &shared::python_entry(&key, false)?)?)?;
    let named = behind(&config, &named)?;
    let with_json = behind(&auth, &behind(&extract, &shared::python_config(&key)?)?)?;

    let mut criterion = shared::criterion();
    let c = &mut criterion;
    bench(c, "leaf/read", Leaf, &read);
    bench(c, "guard/now", GuardLayer::new(Open { later: false }).layer(Leaf), &read);
    bench(c, "guard/later", GuardLayer::new(Open { later: true }).layer(Leaf), &read);
    bench(c, "rescue", rescue.layer(Leaf), &read);
    bench(c, "extract", extract.layer(Leaf), &read);
    bench(c, "leaf/extracted", Leaf, &extracted);
    bench(c, "auth", auth.layer(Leaf), &extracted);
    bench(c, "scope", scope.layer(Leaf), &authenticated);
    bench(c, "config/none", config.layer(Leaf), &authenticated);
    bench(c, "config/json", config.layer(Leaf), &with_json);
    bench(c, "model/no entries", model.layer(Leaf), &configured);
    bench(c, "model/entry in header", entries.layer(Leaf), &named);
    bench(c, "strategy/none", model.layer(strategy.layer(Leaf)), &configured);
    bench(c, "resolve", resolve.layer(Leaf), &configured);
    bench(c, "leaf/resolved", Leaf, &resolved);
    bench(c, "inject", inject.layer(Leaf), &resolved);
    criterion.final_summary();
    Ok(())
}
