//! The key file of a service account of Google's.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ExchangeError;
use crate::secret::Secret;

/// Hosts that Google's own key files have named for tokens. Whichever of them it is, tokens are asked for at one place.
const TOKEN_URIS: [&str; 4] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://www.googleapis.com/oauth2/v3/token",
];

/// A service account with its private key. Debug shows nothing; the key is read when it signs.
#[derive(Clone)]
pub struct ServiceAccount {
    json: Secret,
    project: Option<Box<str>>,
}

/// The members that count.
#[derive(Deserialize)]
struct KeyFile<'a> {
    #[serde(borrow)]
    client_email: Cow<'a, str>,
    /// As it is written: nothing of it is copied but to sign.
    #[serde(borrow)]
    private_key: &'a RawValue,
    #[cfg(feature = "exchange")]
    #[serde(borrow, default)]
    private_key_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    project_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token_uri: Option<Cow<'a, str>>,
}

impl ServiceAccount {
    /// Reads a key file: a JSON object with `client_email` and `private_key`. Its `token_uri` decides nothing: tokens are
    /// asked for at Google's own endpoint, and a file that names another is refused.
    ///
    /// # Errors
    ///
    /// It is none, names another token endpoint than Google's, or its `project_id` can't be one.
    pub fn parse(json: Secret) -> Result<Self, ExchangeError> {
        let file = key_file(&json)?;
        let google = |uri: &str| TOKEN_URIS.contains(&uri);
        if file.token_uri.as_deref().is_some_and(|uri| !google(uri)) {
            return Err(ExchangeError::TokenUri);
        }
        let project = file.project_id.as_deref().filter(|project| !project.is_empty());
        if project.is_some_and(|project| !is_project(project)) {
            return Err(ExchangeError::Project);
        }
        let project = project.map(Into::into);
        Ok(Self { json, project })
    }

    /// The project of the account.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The file. Never log, format or store what this returns.
    #[must_use]
    pub fn json(&self) -> &Secret {
        &self.json
    }

    /// E-mail address, private key and its id.
    #[cfg(feature = "exchange")]
    pub(crate) fn parts(&self) -> Result<(String, Secret, Option<String>), ExchangeError> {
        let KeyFile { client_email, private_key, private_key_id, .. } = key_file(&self.json)?;
        let key: String = serde_json::from_str(private_key.get()).map_err(|_| ExchangeError::ServiceAccount)?;
        let key = Secret::new(key);
        Ok((client_email.into_owned(), key, private_key_id.map(Cow::into_owned)))
    }
}

fn key_file(json: &Secret) -> Result<KeyFile<'_>, ExchangeError> {
    let read: Result<KeyFile<'_>, _> = serde_json::from_str(json.expose());
    let file = read.map_err(|_| ExchangeError::ServiceAccount)?;
    let whole = !file.client_email.is_empty()
        && file.private_key.get().starts_with('"')
        && file.private_key.get().contains("PRIVATE KEY");
    if whole { Ok(file) } else { Err(ExchangeError::ServiceAccount) }
}

/// Whether a text is the id of a project at Google: 1 to 63 letters, digits and hyphens, perhaps within a domain
/// (`example.com:project`).
#[must_use]
pub fn is_project(text: &str) -> bool {
    use crate::host::is_host_label;

    match text.split_once(':') {
        Some((domain, project)) => {
            domain.len() <= 253 && domain.split('.').all(is_host_label) && is_host_label(project)
        }
        None => is_host_label(text),
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccount")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<ServiceAccount, ExchangeError> {
        ServiceAccount::parse(Secret::from(json))
    }

    #[test]
    fn a_key_file_is_whole_and_googles_or_none() {
        let whole = r#"{"type":"service_account","client_email":"a@p.iam.gserviceaccount.com","private_key_id":"k",
            "private_key":"-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n","project_id":"p-1",
            "token_uri":"https://oauth2.googleapis.com/token"}"#;
        let account = parsed(whole).expect("a file");
        assert_eq!((account.project(), format!("{account:?}")), (Some("p-1"), "ServiceAccount".to_owned()));
        for (from, to, error) in [
            ("client_email", "email", ExchangeError::ServiceAccount),
            ("PRIVATE KEY", "KEY", ExchangeError::ServiceAccount),
            ("{", "[", ExchangeError::ServiceAccount),
            ("\"a@p", "1,\"x\":\"a@p", ExchangeError::ServiceAccount),
            ("p-1", "p/../1", ExchangeError::Project),
            ("oauth2.googleapis.com", "evil.example", ExchangeError::TokenUri),
            ("oauth2.googleapis.com/", "oauth2.googleapis.com@evil.example/", ExchangeError::TokenUri),
            ("https://oauth2", "http://oauth2", ExchangeError::TokenUri),
        ] {
            assert_eq!(parsed(&whole.replace(from, to)).err(), Some(error), "{to}");
        }
        assert_eq!(parsed("").err(), Some(ExchangeError::ServiceAccount));
    }

    #[test]
    fn projects() {
        for (text, good) in
            [("p-1", true), ("example.com:p", true), ("", false), ("a/b", false), ("a:b:c", false), (":a", false)]
        {
            assert_eq!(is_project(text), good, "{text}");
        }
    }
}
