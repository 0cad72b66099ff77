//! A provider as data: a base URL, where its credential goes, fixed headers.

use std::{borrow::Cow, fmt};

use http::{HeaderName, HeaderValue, Method};

use super::own::Provider;
use crate::{
    context::{Placement, ProviderHeader, ProviderId},
    header,
    host::CustomHost,
    rejection::Rejection,
};

/// First segments of OpenAI's own paths.
const OPENAI: [&str; 15] = [
    "assistants",
    "audio",
    "batches",
    "chat",
    "completions",
    "embeddings",
    "files",
    "fine_tuning",
    "images",
    "models",
    "moderations",
    "responses",
    "threads",
    "uploads",
    "vector_stores",
];

/// A [`Provider`] put together from parts: an address, the place of its credential, fixed headers.
///
/// ```
/// use http::{HeaderName, HeaderValue, Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_portkey::{PortkeyLayer, body::FullOr, context::ProviderId, host::CustomHost, provider::ProviderSpec};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let base = CustomHost::operator("http://llm.internal:8000/api")?;
/// let in_house = ProviderSpec::new(ProviderId::own("in-house")?, base)
///     .credential_in_header(HeaderName::from_static("x-in-house-key"), "")?
///     .header(HeaderName::from_static("x-team"), HeaderValue::from_static("search"))?
///     .openai_prefix("/openai/v1")?;
/// let layer = PortkeyLayer::builder().provider(in_house).anonymous().build();
///
/// let leaf = service_fn(async |request: Request<FullOr<String>>| {
///     assert_eq!(request.uri(), "http://llm.internal:8000/api/openai/v1/chat/completions");
///     assert_eq!(request.headers()["x-in-house-key"], "sk-1");
///     assert_eq!(request.headers()["x-team"], "search");
///     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
/// });
/// let request = |provider| {
///     let request = Request::post("/v1/chat/completions").header("x-portkey-provider", provider);
///     request.header("authorization", "Bearer sk-1").body(String::new())
/// };
/// assert_eq!(layer.layer(leaf).oneshot(request("in-house")?).await?.status(), 200);
/// assert_eq!(layer.layer(leaf).oneshot(request("in-housf")?).await?.status(), 400);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ProviderSpec {
    id: ProviderId,
    base: CustomHost,
    placement: Placement,
    optional: bool,
    headers: Vec<ProviderHeader>,
    openai_prefix: Box<str>,
}

impl ProviderSpec {
    /// A provider that takes `authorization: Bearer …` and has its routes right below the base.
    #[must_use]
    pub fn new(id: ProviderId, base_url: CustomHost) -> Self {
        let (placement, openai_prefix) = (Placement::bearer(), Box::default());
        Self { id, base: base_url, placement, optional: false, headers: Vec::new(), openai_prefix }
    }

    /// Shows the credential in this header, behind a prefix such as `Key `, its space included.
    ///
    /// # Errors
    ///
    /// The header belongs to the connection, to the framing or to the gateway; the prefix is longer than 64 bytes, or
    /// holds something else than visible ASCII and spaces.
    pub fn credential_in_header(
        self,
        name: HeaderName,
        prefix: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ProviderSpecError> {
        let prefix = prefix.into();
        if !is_settable(&name) && name != header::API_KEY {
            return Err(ProviderSpecError::Header);
        }
        if prefix.len() > 64 || !prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(ProviderSpecError::Prefix);
        }
        Ok(Self { placement: Placement::Header { name, prefix }, ..self })
    }

    /// Shows the credential in this parameter of the query.
    ///
    /// # Errors
    ///
    /// The name is made of something else than 1 to 64 letters, digits, `_`, `-` and `.`.
    pub fn credential_in_query(self, param: impl Into<Cow<'static, str>>) -> Result<Self, ProviderSpecError> {
        let param = param.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=64).contains(&param.len()) || !param.bytes().all(plain) {
            return Err(ProviderSpecError::Param);
        }
        Ok(Self { placement: Placement::Query { param }, ..self })
    }

    /// Shows no credential at all.
    #[must_use]
    pub fn without_credential(self) -> Self {
        Self { placement: Placement::None, ..self }
    }

    /// Lets requests go without a credential, too.
    #[must_use]
    pub fn credential_optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Adds a header that goes with every request, in place of a caller's own. A value that is marked sensitive never goes
    /// to a host that a caller named.
    ///
    /// # Errors
    ///
    /// The header belongs to the connection, to the framing or to the gateway.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, ProviderSpecError> {
        if !is_settable(&name) {
            return Err(ProviderSpecError::Header);
        }
        self.headers.push(ProviderHeader { name, value, replaces: true });
        Ok(self)
    }

    /// What stands between the base and OpenAI's paths (`/chat/completions`, `/models`, …), for a provider whose
    /// OpenAI-compatible routes stand beside its own: `/openai/v1`. Other paths go right below the base.
    ///
    /// # Errors
    ///
    /// It doesn't begin with a slash, ends in one, or holds something else than segments of letters, digits, `_`, `-`, `.`
    /// and `~`.
    pub fn openai_prefix(self, prefix: &str) -> Result<Self, ProviderSpecError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~');
        let whole = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
        match prefix.strip_prefix('/') {
            Some(rest) if rest.split('/').all(whole) => Ok(Self { openai_prefix: prefix.into(), ..self }),
            _ => Err(ProviderSpecError::OpenAiPrefix),
        }
    }
}

impl Provider for ProviderSpec {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn base_url(&self) -> &CustomHost {
        &self.base
    }

    fn placement(&self) -> Placement {
        self.placement.clone()
    }

    fn is_optional(&self) -> bool {
        self.optional
    }

    fn path<'a>(&self, _: &Method, path: &'a str) -> Result<Cow<'a, str>, Rejection> {
        let first = path.split('/').nth(1).unwrap_or_default();
        let plain = self.openai_prefix.is_empty() || !OPENAI.contains(&first);
        Ok(if plain { path.into() } else { [&self.openai_prefix, path].concat().into() })
    }

    fn headers(&self) -> &[ProviderHeader] {
        &self.headers
    }
}

/// Whether a provider may have a header of this name set.
fn is_settable(name: &HeaderName) -> bool {
    !header::is_reserved(name) && !name.as_str().starts_with(header::PREFIX)
}

/// What is wrong with a [`ProviderSpec`]. Repeats no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderSpecError {
    /// The header can't be set.
    Header,
    /// The prefix of the credential.
    Prefix,
    /// The parameter of the query.
    Param,
    /// The prefix of OpenAI's paths.
    OpenAiPrefix,
}

impl fmt::Display for ProviderSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "a provider can't set this header",
            Self::Prefix => "the prefix of a credential is made of at most 64 bytes of visible ASCII and spaces",
            Self::Param => "a parameter is made of 1 to 64 letters, digits, `_`, `-` and `.`",
            Self::OpenAiPrefix => "a prefix of paths begins with a slash, ends in none, and holds plain segments only",
        })
    }
}

impl std::error::Error for ProviderSpecError {}
