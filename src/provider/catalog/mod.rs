//! The catalog of providers: one row each, and what a row makes of a request.
//!
//! A request's path below `/v1` goes to the provider's base. [`spec`] says what a row can say, [`rows`] says it, and
//! [`plan()`] applies it: the first of these that fits counts.
//!
//! | path | goes to |
//! | --- | --- |
//! | any, where the caller named a base URL in the row's own field | that base, `/v1`, the path |
//! | an operation that the provider offers in its own way only | nowhere: 501, with the way to call instead |
//! | one that its OpenAI-compatible endpoint has | the compatible base, the path |
//! | one with a branch of its own | the branch's base, or else the provider's |
//! | one that begins with a version segment (`/v2/…`) | the base, the path |
//! | any other | the base, the prefix, the path |
//!
//! A custom host, or the operator's base URL, replaces the base and nothing after it.

#[cfg(feature = "bedrock")]
mod aws;
#[cfg(feature = "exchange")]
mod azure;
mod base;
#[cfg(feature = "bedrock")]
mod bedrock;
#[cfg(feature = "oracle")]
mod oracle;
mod plan;
mod rows;
mod spec;
#[cfg(test)]
mod spec_tests;
#[cfg(test)]
mod tests;
mod token;
#[cfg(feature = "exchange")]
mod vertex;

#[cfg(feature = "bedrock")]
pub(crate) use aws::{AwsAsked, AwsPlan, plan as aws_plan};
#[cfg(feature = "exchange")]
pub(crate) use azure::{AzureAsked, AzurePlan, foundry, openai as azure_openai};
pub(crate) use plan::{Plan, plan};
pub(crate) use token::as_token;
#[cfg(feature = "exchange")]
pub(crate) use vertex::{VertexAsked, VertexPlan, plan as vertex};

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, LazyLock},
};

use http::{HeaderName, HeaderValue, uri::Scheme};

use self::{
    base::Base,
    spec::{Auth, CUSTOM_HOST, Extra, Spec, bearer},
};
use crate::{
    context::{Placement, ProviderId},
    header::PortkeyHeader,
    host::CustomHost,
    provider::own::Provider,
};

/// One provider, with everything parsed that can be parsed beforehand.
pub(crate) struct Row {
    id: ProviderId,
    spec: &'static Spec,
    base: Base,
    placement: Placement,
    compat: Option<(Base, Placement)>,
    /// The bases of the branches, in their order.
    branches: Vec<Option<Base>>,
    headers: Vec<Header>,
    /// What the field for a base URL stands for.
    named: Option<Base>,
    /// Who says the rest, where it is not the catalog.
    own: Option<Arc<dyn Provider>>,
}

/// Stands in where there is no line of the catalog.
static OWN: Spec = bearer("", CUSTOM_HOST, "");

#[derive(Debug)]
struct Header {
    name: HeaderName,
    field: Option<PortkeyHeader>,
    value: Option<HeaderValue>,
}

static ROWS: LazyLock<Vec<Option<Row>>> = LazyLock::new(|| {
    #[cfg(feature = "bedrock")]
    let signed = aws::SPECS;
    #[cfg(not(feature = "bedrock"))]
    let signed: &[Spec] = &[];
    #[cfg(feature = "exchange")]
    let exchanged = azure::SPECS.iter().chain(vertex::SPECS);
    #[cfg(not(feature = "exchange"))]
    let exchanged = [].iter();
    #[cfg(feature = "oracle")]
    let oracle = oracle::SPECS;
    #[cfg(not(feature = "oracle"))]
    let oracle: &[Spec] = &[];
    let all = || rows::SPECS.iter().chain(signed).chain(exchanged.clone()).chain(oracle);
    let spec = |id: &ProviderId| all().find(|spec| spec.id == id.as_str());
    ProviderId::all().map(|id| spec(&id).map(|spec| Row::new(id.clone(), spec))).collect()
});

/// The row of a provider. `None` for those that sign or exchange their credential.
pub(crate) fn row(id: &ProviderId) -> Option<&'static Row> {
    ROWS.get(id.index()?)?.as_ref()
}

impl Row {
    /// The provider's id.
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The provider.
    pub(crate) fn provider(&self) -> &ProviderId {
        &self.id
    }

    /// The base of a provider that the catalog doesn't have.
    pub(crate) fn own_base(&self) -> Option<&CustomHost> {
        self.own.as_ref().map(|own| own.base_url())
    }

    /// Whether requests are signed as AWS asks for it.
    #[cfg(feature = "bedrock")]
    pub(crate) fn is_of_aws(&self) -> bool {
        matches!(self.spec.auth, Auth::Signature)
    }

    /// Whether requests are signed.
    #[cfg(any(feature = "oracle", test))]
    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.placement, Placement::Signature)
    }

    /// Whether requests are planned, and credentials exchanged, in a way of the row's own.
    #[cfg(any(feature = "exchange", test))]
    pub(crate) fn is_exchanged(&self) -> bool {
        matches!(self.spec.id, "azure-openai" | "azure-ai" | "vertex-ai")
    }

    /// Whether a request may go without a credential.
    pub(crate) fn is_optional(&self) -> bool {
        self.spec.optional
            || matches!(self.placement, Placement::None)
            || self.own.as_ref().is_some_and(|own| own.is_optional())
    }

    /// The field, beside the custom host, in which a caller may name a base URL. Its value needs the checks of a custom
    /// host; what passes them is the `base` that [`plan()`] asks for.
    pub(crate) fn base_url_field(&self) -> Option<PortkeyHeader> {
        self.spec.base_url_field
    }

    /// Whether a host that somebody named is the provider's own: one of the row's fixed hosts, or a name below it, by
    /// `https` on its own port. AWS's are those of the region that `field` says.
    pub(crate) fn is_own_host<'f>(
        &self,
        host: &CustomHost,
        #[cfg_attr(not(feature = "bedrock"), allow(unused_variables))] field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    ) -> bool {
        #[cfg(feature = "bedrock")]
        if self.is_of_aws() {
            return aws::is_own_host(self.spec.id, host, field(PortkeyHeader::AwsRegion));
        }
        let compat = self.compat.iter().map(|(base, _)| base);
        let mut bases = compat.chain([&self.base]).chain(self.branches.iter().flatten());
        *host.scheme() == Scheme::HTTPS
            && host.port() == 443
            && bases.any(|base| match base {
                Base::Fixed(scheme, authority, _) => {
                    let below = host.host().strip_suffix(authority.as_str());
                    *scheme == Scheme::HTTPS && below.is_some_and(|front| front.is_empty() || front.ends_with('.'))
                }
                _ => false,
            })
    }

    /// Where the credential goes on the provider's own routes.
    pub(crate) fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The parameter of the query in which the provider takes its credential on its own routes.
    pub(crate) fn credential_param(&self) -> Option<Cow<'static, str>> {
        match &self.placement {
            Placement::Query { param } => Some(param.clone()),
            _ => None,
        }
    }

    /// Whether the fields are read from headers, too.
    pub(crate) fn fields_in_headers(&self) -> bool {
        self.spec.fields_in_headers
    }

    /// Headers of the caller's that go along as they are, whatever the route lets through.
    pub(crate) fn passes(&self) -> impl Iterator<Item = HeaderName> + use<> {
        self.spec.passes.iter().map(|name| HeaderName::from_static(name))
    }

    /// The row of a provider that the catalog doesn't have: its base is always given, and it says everything else.
    pub(crate) fn own(provider: Arc<dyn Provider>) -> Self {
        let own = Self::new(provider.id().clone(), &OWN);
        Self { placement: provider.placement(), own: Some(provider), ..own }
    }

    fn new(id: ProviderId, spec: &'static Spec) -> Self {
        Self {
            id,
            spec,
            base: Base::read(spec.base),
            placement: placement(spec.auth),
            compat: spec.compat.map(|compat| (Base::read(compat.base), placement(compat.auth))),
            branches: spec.branches.iter().map(|branch| branch.base.map(Base::read)).collect(),
            headers: spec.headers.iter().map(Header::new).collect(),
            named: spec.base_url_field.map(Base::Named),
            own: None,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Header {
    fn new(extra: &Extra) -> Self {
        let name = HeaderName::from_static(extra.name);
        Self { name, field: extra.field, value: extra.value.map(HeaderValue::from_static) }
    }
}

fn placement(auth: Auth) -> Placement {
    match auth {
        Auth::Header(name, prefix) => {
            Placement::Header { name: HeaderName::from_static(name), prefix: Cow::Borrowed(prefix) }
        }
        Auth::Query(param) => Placement::Query { param: Cow::Borrowed(param) },
        #[cfg(feature = "bedrock")]
        Auth::Signature => Placement::Signature,
        #[cfg(feature = "oracle")]
        Auth::OciSignature => Placement::Signature,
        Auth::None => Placement::None,
    }
}
