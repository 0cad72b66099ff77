use super::JwtValidator;
use crate::auth::PortkeyAuthLayer;

impl PortkeyAuthLayer<JwtValidator> {
    /// Lets in who shows a token that this validator knows.
    pub fn jwt(validator: impl Into<JwtValidator>) -> Self {
        Self::new(validator.into())
    }
}
