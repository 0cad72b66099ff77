//! The gateway's own identities: what the operator's environment says they are.

use std::{fmt, fs, io::Read as _, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    context::{ServiceAccount, is_client_id, is_tenant},
    host::CustomHost,
    secret::Secret,
};

/// The longest file of a token, in bytes.
const MOST_BYTES: u64 = 64 * 1024;
/// Where Google gives tokens for other accounts.
const IMPERSONATION: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";

/// Azure's workload identity: a token of the cluster's, in a file that it keeps fresh, is shown to Entra in place of a
/// secret. A clone is one reference count.
#[derive(Clone)]
pub struct AzureWorkload(Arc<Workload>);

struct Workload {
    authority: Option<CustomHost>,
    tenant: Box<str>,
    client: Box<str>,
    file: PathBuf,
}

impl AzureWorkload {
    /// What Azure puts into the environment: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE`.
    ///
    /// # Errors
    ///
    /// Tenant or client id are none.
    pub fn new(tenant: &str, client: &str, file: impl Into<PathBuf>) -> Result<Self, IdentityError> {
        if !is_tenant(tenant) {
            return Err(IdentityError("the tenant is a GUID or a domain"));
        }
        if !is_client_id(client) {
            return Err(IdentityError("the client id is made of 1 to 128 letters, digits and -_."));
        }
        let facts = Workload { authority: None, tenant: tenant.into(), client: client.into(), file: file.into() };
        Ok(Self(Arc::new(facts)))
    }

    /// Sets the authority (`AZURE_AUTHORITY_HOST`), in place of `https://login.microsoftonline.com`.
    #[must_use]
    pub fn with_authority(self, authority: CustomHost) -> Self {
        let Workload { tenant, client, file, .. } = &*self.0;
        let (tenant, client, file) = (tenant.clone(), client.clone(), file.clone());
        Self(Arc::new(Workload { authority: Some(authority), tenant, client, file }))
    }

    pub(super) fn authority(&self) -> Option<&CustomHost> {
        self.0.authority.as_ref()
    }

    pub(super) fn tenant(&self) -> &str {
        &self.0.tenant
    }

    pub(super) fn client(&self) -> &str {
        &self.0.client
    }

    /// The token of now.
    pub(super) fn token(&self) -> Result<Secret, String> {
        read(&self.0.file)
    }
}

/// The gateway's own identity at Google. A clone is one reference count.
#[derive(Clone)]
pub struct GoogleIdentity(Arc<Google>);

#[derive(Debug)]
pub(super) enum Google {
    Metadata,
    Account(ServiceAccount),
    User(GoogleUser),
    Federated(GoogleFederated),
}

/// Somebody who logged in.
#[derive(Deserialize)]
pub(super) struct GoogleUser {
    pub(super) client_id: String,
    #[serde(deserialize_with = "secret")]
    pub(super) client_secret: Secret,
    #[serde(deserialize_with = "secret")]
    pub(super) refresh_token: Secret,
}

/// Somebody whom another identity provider knows, by a token in a file.
#[derive(Deserialize)]
pub(super) struct GoogleFederated {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    token_url: String,
    credential_source: FileSource,
    service_account_impersonation_url: Option<String>,
}

#[derive(Deserialize)]
struct FileSource {
    file: PathBuf,
    #[serde(default)]
    format: FileFormat,
}

#[derive(Default, Deserialize)]
struct FileFormat {
    subject_token_field_name: Option<String>,
}

impl GoogleIdentity {
    /// That of the machine, by Google's metadata service.
    #[must_use]
    pub fn metadata() -> Self {
        Self(Arc::new(Google::Metadata))
    }

    /// The one in a file of Application Default Credentials: `service_account`, `authorized_user`, or `external_account`
    /// with its token in a file.
    ///
    /// # Errors
    ///
    /// The text is none of them, or names other hosts than Google's.
    pub fn from_json(json: Secret) -> Result<Self, IdentityError> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        let whole = |_| IdentityError("a member is missing, or is of another type");
        let kind: Kind = serde_json::from_str(json.expose()).map_err(|_| IdentityError("it is no JSON with a type"))?;
        Ok(Self(Arc::new(match kind.r#type.as_str() {
            "service_account" => Google::Account(
                ServiceAccount::parse(json).map_err(|_| IdentityError("it is no key file of a service account"))?,
            ),
            "authorized_user" => Google::User(serde_json::from_str(json.expose()).map_err(whole)?),
            "external_account" => {
                let federated: GoogleFederated = serde_json::from_str(json.expose())
                    .map_err(|_| IdentityError("only an external_account whose token is in a file is known"))?;
                if federated.token_url != "https://sts.googleapis.com/v1/token" {
                    return Err(IdentityError("its token_url is not Google's"));
                }
                let other = federated.service_account_impersonation_url.as_deref();
                if other.is_some_and(|url| account_path(url).is_none()) {
                    return Err(IdentityError("its service_account_impersonation_url is not Google's"));
                }
                Google::Federated(federated)
            }
            _ => return Err(IdentityError("its type is service_account, authorized_user or external_account")),
        })))
    }

    pub(super) fn kind(&self) -> &Google {
        &self.0
    }
}

impl GoogleFederated {
    /// The token of now.
    pub(super) fn token(&self) -> Result<Secret, String> {
        let FileSource { file, format } = &self.credential_source;
        let text = read(file)?;
        let Some(name) = &format.subject_token_field_name else { return Ok(text) };
        let mut members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text.expose()).map_err(|_| "the token's file is no JSON object".to_owned())?;
        match members.remove(name) {
            Some(serde_json::Value::String(token)) => Ok(Secret::new(token)),
            _ => Err("the token's file has no such member".to_owned()),
        }
    }

    /// The path at which another account's tokens are given, where one is to be had.
    pub(super) fn other_account(&self) -> Option<&str> {
        self.service_account_impersonation_url.as_deref().and_then(account_path)
    }
}

/// `/v1/projects/-/serviceAccounts/{email}:generateAccessToken`.
fn account_path(url: &str) -> Option<&str> {
    let email = url.strip_prefix(IMPERSONATION)?.strip_suffix(":generateAccessToken")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    let fits = !email.is_empty() && !email.contains("..") && email.bytes().all(plain);
    url.strip_prefix("https://iamcredentials.googleapis.com").filter(|_| fits)
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A small file, read while one request waits, once in a token's life.
fn read(file: &PathBuf) -> Result<Secret, String> {
    let mut text = String::new();
    let read = fs::File::open(file).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
    let text = Secret::new(text);
    read.map_err(|error| format!("the token's file can't be read: {error}"))?;
    match text.expose().trim_ascii() {
        "" => Err("the token's file is empty".to_owned()),
        trimmed => Ok(Secret::from(trimmed)),
    }
}

impl fmt::Debug for AzureWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureWorkload").field("authority", &self.0.authority).finish_non_exhaustive()
    }
}

impl fmt::Debug for GoogleIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GoogleIdentity").field(&self.0).finish()
    }
}

impl fmt::Debug for GoogleUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoogleUser")
    }
}

impl fmt::Debug for GoogleFederated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoogleFederated")
    }
}

/// Why an identity of the gateway's own can't be read. Names no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityError(&'static str);

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for IdentityError {}
