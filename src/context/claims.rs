//! What a token says.

use std::{collections::HashMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The claims of a token that was verified, as its issuer wrote them. A clone is one reference count.
///
/// Debug shows nothing: claims may tell whose token it is.
///
/// ```
/// use tower_portkey::context::{Claims, Principal};
///
/// let claims = Claims::from_json(r#"{"sub":"ada","department":"engines","level":3}"#.to_owned())?;
/// let who = Principal::new("ada").with_claims(claims);
/// assert_eq!(who.claim::<String>("department"), Some(Ok("engines".to_owned())));
/// assert_eq!(who.claim::<u8>("level"), Some(Ok(3)));
/// assert!(who.claim::<u8>("department").is_some_and(|read| read.is_err()));
/// assert_eq!(who.claim::<String>("project"), None);
/// # Ok::<(), tower_portkey::context::ClaimError>(())
/// ```
#[derive(Clone)]
pub struct Claims(Arc<String>);

impl Claims {
    /// Claims that were verified elsewhere, as a JSON object.
    ///
    /// # Errors
    ///
    /// The text is no JSON object.
    pub fn from_json(json: String) -> Result<Self, ClaimError> {
        members(&json)?;
        Ok(Self::verified(json))
    }

    /// Claims that were read already.
    pub(crate) fn verified(json: String) -> Self {
        Self(Arc::new(json))
    }

    /// The whole object, as JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The claim `name`, read as a `T`; `None` where the token has no such claim. It is read anew each time.
    ///
    /// # Errors
    ///
    /// The claim is no `T`. Who decides by a claim refuses then: one that can't be read is not one that isn't there.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<Result<T, ClaimError>> {
        match members(&self.0) {
            Ok(members) => members.get(name).map(|claim| serde_json::from_str(claim.get()).map_err(|_| ClaimError)),
            Err(error) => Some(Err(error)),
        }
    }

    /// All claims together, read as a `T`: a struct with those that matter.
    ///
    /// # Errors
    ///
    /// The claims are no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClaimError> {
        serde_json::from_str(&self.0).map_err(|_| ClaimError)
    }
}

fn members(json: &str) -> Result<HashMap<String, &RawValue>, ClaimError> {
    serde_json::from_str(json).map_err(|_| ClaimError)
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

/// A claim of another type. Never holds what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimError;

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claim is of another type")
    }
}

impl std::error::Error for ClaimError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Result<Claims, ClaimError> {
        Claims::from_json(json.to_owned())
    }

    #[test]
    fn claims_are_one_object_and_are_not_shown() {
        for json in ["", "7", "[]", "null", "{} {}", "{\"a\":}"] {
            assert_eq!(claims(json).err(), Some(ClaimError), "{json}");
        }
        let own = claims(r#"{"a\u0062":{"c":[1,null]},"n":null}"#).expect("claims");
        assert_eq!(own.get::<serde_json::Value>("ab"), Some(Ok(serde_json::json!({"c": [1, null]}))));
        assert_eq!((own.get::<Option<u8>>("n"), own.get::<u8>("n")), (Some(Ok(None)), Some(Err(ClaimError))));
        assert_eq!(format!("{own:?} {:?}", own.get::<u8>("ab")), "Claims Some(Err(ClaimError))");
    }

    #[test]
    fn all_of_them_at_once() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Own {
            team: String,
            level: Option<u8>,
        }

        let own = claims(r#"{"team":"a","exp":1}"#).expect("claims").read::<Own>();
        assert_eq!(own, Ok(Own { team: "a".to_owned(), level: None }));
        assert_eq!(claims("{}").expect("claims").read::<Own>(), Err(ClaimError));
    }
}
