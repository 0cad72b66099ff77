//! Whether a known caller may still be served (pure).

use std::time::SystemTime;

use crate::{
    context::{Principal, Status},
    rejection::{Kind, Rejection},
};

/// Refuses a key or workspace that is used up or over. `spared` are the routes where only an archived key is refused.
///
/// Order (wire contract 2.6): key exhausted, key expired, workspace exhausted, workspace expired.
pub(super) fn check(who: &Principal, now: SystemTime, spared: bool) -> Result<(), Rejection> {
    let kind = match (who.status(now), who.workspace_status()) {
        (Status::Archived, _) | (_, Status::Archived) => Kind::InvalidKey,
        _ if spared => return Ok(()),
        (Status::Exhausted, _) => Kind::KeyExhausted,
        (Status::Expired, _) => Kind::KeyExpired,
        (Status::Active, Status::Exhausted) => Kind::WorkspaceExhausted,
        (Status::Active, Status::Expired) => Kind::WorkspaceExpired,
        (Status::Active, Status::Active) => return Ok(()),
    };
    Err(Rejection::new(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Active, Archived, Exhausted, Expired};

    #[test]
    fn the_first_that_applies_is_told() {
        for (key, workspace, open, spared) in [
            (Active, Active, None, None),
            (Exhausted, Expired, Some(Kind::KeyExhausted), None),
            (Expired, Exhausted, Some(Kind::KeyExpired), None),
            (Active, Exhausted, Some(Kind::WorkspaceExhausted), None),
            (Active, Expired, Some(Kind::WorkspaceExpired), None),
            (Archived, Active, Some(Kind::InvalidKey), Some(Kind::InvalidKey)),
            (Exhausted, Archived, Some(Kind::InvalidKey), Some(Kind::InvalidKey)),
        ] {
            let who = Principal::new("k").with_status(key).with_workspace_status(workspace);
            for (is_spared, expected) in [(false, open), (true, spared)] {
                let refused = check(&who, SystemTime::UNIX_EPOCH, is_spared).err();
                assert_eq!(refused.map(|refused| refused.kind()), expected, "{key:?} {workspace:?} {is_spared}");
            }
        }
    }
}
