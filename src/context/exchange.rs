//! From what somebody holds to the access token that a provider takes.

use std::{fmt, sync::Arc};

use super::ServiceAccount;
use crate::{host::is_host_label, secret::Secret};

/// A client of Microsoft Entra's with its secret: OAuth 2.0 client credentials. Debug shows nothing.
#[derive(Clone)]
pub struct EntraClient {
    tenant: Box<str>,
    id: Box<str>,
    secret: Secret,
}

impl EntraClient {
    /// `tenant` is a GUID or a domain; `id` 1 to 128 letters, digits and `-_.`; `secret` 1 to 1,024 bytes.
    ///
    /// # Errors
    ///
    /// One of them is something else.
    pub fn new(tenant: &str, id: &str, secret: Secret) -> Result<Self, ExchangeError> {
        if !is_tenant(tenant) {
            return Err(ExchangeError::Tenant);
        }
        if !is_client_id(id) {
            return Err(ExchangeError::ClientId);
        }
        if !(1..=1024).contains(&secret.expose().len()) {
            return Err(ExchangeError::ClientSecret);
        }
        Ok(Self { tenant: tenant.into(), id: id.into(), secret })
    }

    /// The directory.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The client's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The client's secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for EntraClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntraClient")
    }
}

/// Whether a text is a tenant of Entra's: a GUID or a domain, never anything that could lead a URL elsewhere.
#[must_use]
pub fn is_tenant(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_host_label)
}

/// Whether a text can be a client's id.
#[must_use]
pub fn is_client_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

/// Who shows what for a token. Debug shows no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TokenSource {
    /// A client of Entra's.
    Entra(EntraClient),
    /// The identity that Azure gave this machine: one of several by its client id.
    AzureManaged(Option<Box<str>>),
    /// The identity that a federated token of this workload stands for, perhaps as another client.
    AzureWorkload(Option<Box<str>>),
    /// A service account of Google's, by its key file.
    GoogleAccount(ServiceAccount),
    /// The gateway's own identity at Google.
    GoogleAmbient,
}

impl TokenSource {
    /// In a word, for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Entra(_) => "entra client",
            Self::AzureManaged(_) => "azure managed identity",
            Self::AzureWorkload(_) => "azure workload identity",
            Self::GoogleAccount(_) => "google service account",
            Self::GoogleAmbient => "google ambient identity",
        }
    }
}

/// How the token for a request is got. A clone is one reference count; Debug shows no value.
#[derive(Clone, Debug)]
pub struct TokenExchange(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    source: TokenSource,
    scope: Box<str>,
    tenancy: Box<str>,
    holder: Option<Box<str>>,
}

impl TokenExchange {
    /// What Azure's models ask for.
    pub const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
    /// What Google's models ask for.
    pub const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

    /// A token for this scope: 1 to 512 bytes of visible ASCII.
    ///
    /// # Errors
    ///
    /// The scope is something else, or a client's id is none.
    pub fn new(source: TokenSource, scope: &str) -> Result<Self, ExchangeError> {
        if !(1..=512).contains(&scope.len()) || !scope.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ExchangeError::Scope);
        }
        match &source {
            TokenSource::AzureManaged(Some(id)) | TokenSource::AzureWorkload(Some(id)) if !is_client_id(id) => {
                return Err(ExchangeError::ClientId);
            }
            _ => {}
        }
        Ok(Self(Arc::new(Facts { source, scope: scope.into(), tenancy: Box::default(), holder: None })))
    }

    /// Sets on whose behalf it is got. Tokens are never shared between two of them.
    #[must_use]
    pub fn with_tenancy(self, tenancy: &str) -> Self {
        self.change(|facts| facts.tenancy = tenancy.into())
    }

    /// Says what holds the credential, such as `the provider entry x`: its refusal is no caller's mistake then.
    #[must_use]
    pub fn with_holder(self, holder: &str) -> Self {
        self.change(|facts| facts.holder = Some(holder.into()))
    }

    /// Who shows what.
    #[must_use]
    pub fn source(&self) -> &TokenSource {
        &self.0.source
    }

    /// What the token is for.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.0.scope
    }

    /// On whose behalf it is got.
    #[must_use]
    pub fn tenancy(&self) -> &str {
        &self.0.tenancy
    }

    /// What holds the credential; `None` where the caller brought it.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.0.holder.as_deref()
    }

    fn change(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.as_str())
    }
}

/// What is wrong with a credential that is to be exchanged. Names the part; never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The Entra tenant.
    Tenant,
    /// A client's id.
    ClientId,
    /// A client's secret.
    ClientSecret,
    /// The scope.
    Scope,
    /// The key file is no JSON object of a service account.
    ServiceAccount,
    /// Its `token_uri` is not Google's.
    TokenUri,
    /// Its project id.
    Project,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "the Entra tenant is a GUID or a domain",
            Self::ClientId => "the client id is made of 1 to 128 letters, digits and -_.",
            Self::ClientSecret => "the client secret has 1 to 1024 bytes",
            Self::Scope => "the scope is made of 1 to 512 characters of visible ASCII",
            Self::ServiceAccount => "it is no JSON object with the client_email and private_key of a service account",
            Self::TokenUri => "its token_uri is not Google's",
            Self::Project => "its project_id is none",
        })
    }
}

impl std::error::Error for ExchangeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_judged_and_never_shown() {
        let secret = || Secret::from("canary-secret");
        let made = |tenant, id| EntraClient::new(tenant, id, secret());
        assert!(made("00000000-0000-4000-8000-000000000000", "client-1").is_ok());
        assert!(made("contoso.onmicrosoft.com", "client-1").is_ok());
        for tenant in ["", ".", "a..b", "a/b", "x@evil.com", "evil.com#", "evil.com?", "a%2fb", "ä", "a."] {
            assert_eq!(made(tenant, "client-1").err(), Some(ExchangeError::Tenant), "{tenant}");
        }
        assert_eq!(made("t", "a b").err(), Some(ExchangeError::ClientId));
        assert_eq!(EntraClient::new("t", "c", Secret::from("")).err(), Some(ExchangeError::ClientSecret));

        let source = TokenSource::Entra(made("t", "c").expect("a client"));
        assert_eq!(TokenExchange::new(source.clone(), "a b").err(), Some(ExchangeError::Scope));
        let exchange = TokenExchange::new(source, TokenExchange::AZURE_SCOPE).expect("an exchange");
        assert!(!format!("{exchange:?} {:?}", exchange.source()).contains("canary"));
        let managed = TokenSource::AzureManaged(Some("a&b".into()));
        assert_eq!(TokenExchange::new(managed, "s").err(), Some(ExchangeError::ClientId));
    }

    #[test]
    fn attack_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let cases = vectors["cases"].as_array().expect("cases").iter();
        let tenants: Vec<_> = cases.filter(|case| case["field"] == "entra_tenant_id").collect();
        assert_eq!(tenants.len(), 32);
        for case in tenants {
            let value = case["value"].as_str().expect("a value");
            // A tenant may be a domain, so two labels are one.
            assert_eq!(is_tenant(value), case["expect"] != "reject", "{value:?}");
        }
    }
}
