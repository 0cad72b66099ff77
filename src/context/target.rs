//! Where a request goes, and with which credential: one value, so that the two can't be mixed up.

use std::{borrow::Cow, fmt, time::Duration};

use http::{
    HeaderName,
    uri::{Authority, Scheme},
};

use crate::{
    context::{
        Amendment, Credential, CredentialSource, HostOrigin, Placement, ProviderHeader, ProviderId, Signing,
        TokenExchange, Translation,
    },
    rejection::{Kind, Rejection},
};

/// One provider, its host and the credential for it.
///
/// A stored credential can't be combined with a host that a caller named: [`TargetBuilder::build`] refuses.
/// Debug shows no credential.
#[derive(Clone)]
pub struct Target(Box<TargetBuilder>);

/// Collects what makes a [`Target`].
#[derive(Clone)]
pub struct TargetBuilder {
    provider: ProviderId,
    scheme: Scheme,
    authority: Authority,
    origin: HostOrigin,
    placement: Placement,
    credential: Option<(Credential, CredentialSource)>,
    signing: Option<(Signing, CredentialSource)>,
    signed: Option<Vec<Credential>>,
    exchange: Option<(TokenExchange, CredentialSource)>,
    headers: Vec<ProviderHeader>,
    credential_param: Option<Cow<'static, str>>,
    forward: Vec<HeaderName>,
    unified: bool,
    timeout: Option<Duration>,
    translation: Option<Translation>,
    other_base: bool,
    amendment: Option<Amendment>,
}

impl Target {
    /// A target at this host, without a credential, for a request that passes through.
    #[must_use]
    pub fn builder(provider: ProviderId, scheme: Scheme, authority: Authority, origin: HostOrigin) -> TargetBuilder {
        TargetBuilder {
            provider,
            scheme,
            authority,
            origin,
            placement: Placement::None,
            credential: None,
            signing: None,
            signed: None,
            exchange: None,
            headers: Vec::new(),
            credential_param: None,
            forward: Vec::new(),
            unified: false,
            timeout: None,
            translation: None,
            other_base: false,
            amendment: None,
        }
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &ProviderId {
        &self.0.provider
    }

    /// The scheme of the provider's URL.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    /// Host and port of the provider's URL.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// Who named the host.
    #[must_use]
    pub fn origin(&self) -> HostOrigin {
        self.0.origin
    }

    /// Whether the host could be this gateway under another name: every one that doesn't stand in the catalog.
    #[must_use]
    pub fn may_loop(&self) -> bool {
        self.0.other_base || self.0.origin != HostOrigin::Catalog
    }

    /// Where the credential goes.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// The credential, where the provider has one.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref().map(|(credential, _)| credential)
    }

    /// Whose credential it is.
    #[must_use]
    pub fn credential_source(&self) -> Option<CredentialSource> {
        let signing = self.0.signing.as_ref().map(|(_, source)| *source);
        let exchange = self.0.exchange.as_ref().map(|(_, source)| *source);
        self.0.credential.as_ref().map(|(_, source)| *source).or(signing).or(exchange)
    }

    /// What has to be exchanged for the credential, where the provider takes a token for it.
    #[must_use]
    pub fn exchange(&self) -> Option<&TokenExchange> {
        self.0.exchange.as_ref().map(|(exchange, _)| exchange)
    }

    /// Whether the credential has yet to be got: the request must not go out as it is.
    #[must_use]
    pub fn is_unexchanged(&self) -> bool {
        self.0.exchange.is_some() && self.0.credential.is_none()
    }

    /// Notes what the credential was exchanged for.
    #[cfg(feature = "exchange")]
    pub(crate) fn note_exchanged(&mut self, token: Credential) {
        self.0.credential = self.0.exchange.as_ref().map(|(_, source)| (token, *source));
    }

    /// How the request is signed, where the provider asks for it.
    #[must_use]
    pub fn signing(&self) -> Option<&Signing> {
        self.0.signing.as_ref().map(|(signing, _)| signing)
    }

    /// Whether the request has yet to be signed: it must not go out as it is.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        self.0.signing.is_some() && self.0.signed.is_none()
    }

    /// Notes that the request is signed, and what went onto it that must not come back.
    #[cfg(feature = "bedrock")]
    pub(crate) fn note_signed(&mut self, sent: Vec<Credential>) {
        self.0.signed = Some(sent);
    }

    /// What the signature put onto the request.
    #[cfg(feature = "client")]
    pub(crate) fn signed(&self) -> &[Credential] {
        self.0.signed.as_deref().unwrap_or_default()
    }

    /// Further headers of the provider's.
    #[must_use]
    pub fn headers(&self) -> &[ProviderHeader] {
        &self.0.headers
    }

    /// The parameter of the query in which the provider takes credentials on some of its routes. A caller's own is taken
    /// away on all of them.
    #[must_use]
    pub fn credential_param(&self) -> Option<&str> {
        match &self.0.placement {
            Placement::Query { param } => Some(param),
            _ => self.0.credential_param.as_deref(),
        }
    }

    /// Headers of the caller's that go along although the route would not let them.
    #[must_use]
    pub fn forward(&self) -> &[HeaderName] {
        &self.0.forward
    }

    /// Whether the route is a unified one, of which few of the caller's headers are forwarded.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        self.0.unified
    }

    /// How long the provider may take until its response's head is there.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// What the provider is spoken to in, where it doesn't understand the body as the caller wrote it.
    #[must_use]
    pub fn translation(&self) -> Option<&Translation> {
        self.0.translation.as_ref()
    }

    /// What the provider's route wants otherwise in the body.
    #[must_use]
    pub fn amendment(&self) -> Option<&Amendment> {
        self.0.amendment.as_ref()
    }
}

impl TargetBuilder {
    /// Sets the credential, whose it is, and where it goes.
    #[must_use]
    pub fn credential(mut self, credential: Credential, source: CredentialSource, placement: Placement) -> Self {
        self.credential = Some((credential, source));
        self.placement = placement;
        self
    }

    /// Sets how the request is signed, and whose identity that is.
    #[must_use]
    pub fn sign(mut self, signing: impl Into<Signing>, source: CredentialSource) -> Self {
        self.signing = Some((signing.into(), source));
        self.placement = Placement::Signature;
        self
    }

    /// Sets what is exchanged for the credential, whose it is, and where the token goes.
    #[must_use]
    pub fn exchange(mut self, exchange: TokenExchange, source: CredentialSource, placement: Placement) -> Self {
        self.exchange = Some((exchange, source));
        self.placement = placement;
        self
    }

    /// Adds a header of the provider's.
    #[must_use]
    pub fn header(mut self, header: ProviderHeader) -> Self {
        self.headers.push(header);
        self
    }

    /// Sets the parameter of the query in which the provider takes credentials on other routes.
    #[must_use]
    pub fn credential_param(mut self, param: Option<Cow<'static, str>>) -> Self {
        self.credential_param = param;
        self
    }

    /// Sets the caller's headers that go along.
    #[must_use]
    pub fn forward(mut self, names: Vec<HeaderName>) -> Self {
        self.forward = names;
        self
    }

    /// Sets whether the route is a unified one.
    #[must_use]
    pub fn unified(mut self, unified: bool) -> Self {
        self.unified = unified;
        self
    }

    /// Sets the time until the response's head.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether another base than the catalog's is used, whoever named it.
    #[must_use]
    pub fn other_base(mut self, other: bool) -> Self {
        self.other_base = other;
        self
    }

    /// Sets what the body has to be put into.
    #[must_use]
    pub fn translation(mut self, translation: Option<Translation>) -> Self {
        self.translation = translation;
        self
    }

    /// Sets what the provider's route wants otherwise in the body.
    #[must_use]
    pub fn amendment(mut self, amendment: Option<Amendment>) -> Self {
        self.amendment = amendment;
        self
    }

    /// The target.
    ///
    /// # Errors
    ///
    /// A stored credential together with a host that the caller named: [`Kind::InvalidRequest`].
    pub fn build(self) -> Result<Target, Rejection> {
        let stored = matches!(self.credential, Some((_, CredentialSource::Stored)))
            || matches!(self.signing, Some((_, CredentialSource::Stored)))
            || matches!(self.exchange, Some((_, CredentialSource::Stored)))
            || self.headers.iter().any(|header| header.value.is_sensitive());
        if stored && matches!(self.origin, HostOrigin::Caller | HostOrigin::TrustedCaller) {
            return Err(Rejection::new(Kind::InvalidRequest)
                .with_message("A stored credential can't be sent to the host in x-portkey-custom-host"));
        }
        Ok(Target(Box::new(self)))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TargetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("provider", &self.provider.as_str())
            .field("authority", &self.authority)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_stored_credential_never_meets_a_callers_host() {
        let provider = ProviderId::parse("openai").expect("an id");
        let credential = Credential::from_raw(&HeaderValue::from_static("sk-canary")).expect("a credential");
        for (origin, source, fits) in [
            (HostOrigin::Caller, CredentialSource::Stored, false),
            (HostOrigin::TrustedCaller, CredentialSource::Stored, false),
            (HostOrigin::Caller, CredentialSource::Caller, true),
            (HostOrigin::Catalog, CredentialSource::Stored, true),
            (HostOrigin::Operator, CredentialSource::Stored, true),
        ] {
            let placement = Placement::bearer();
            let target =
                Target::builder(provider.clone(), Scheme::HTTPS, Authority::from_static("evil.example"), origin)
                    .credential(credential.clone(), source, placement)
                    .build();
            assert_eq!(target.is_ok(), fits, "{origin:?} {source:?}");
            assert!(!format!("{target:?}").contains("canary"));
        }
    }
}
