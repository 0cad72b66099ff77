//! The call that assumes a role (pure).

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
    uri::{Authority, Scheme},
};
use url::form_urlencoded;

use crate::{
    context::{AwsKeys, AwsRole, aws_domain},
    host::CustomHost,
    rejection::{Kind, Rejection},
    sign::{
        head::sign,
        key::{Scope, SigningKeys},
        time::Stamp,
    },
};

/// Where STS answers.
#[derive(Debug)]
pub(super) struct Endpoint {
    uri: Uri,
    /// Whether the operator named it.
    pub(super) operator: bool,
}

impl Endpoint {
    /// `https://sts.{region}.{domain}/`, unless the settings name another. The region is a label already.
    pub(super) fn of(region: &str, own: Option<&CustomHost>, domain: Option<&str>) -> Result<Self, Rejection> {
        let internal = |error| Rejection::new(Kind::Internal).with_source(error);
        let (scheme, authority, path) = match own {
            Some(host) => (host.scheme().clone(), host.authority().clone(), host.path()),
            None => {
                let host = format!("sts.{region}.{}", domain.unwrap_or_else(|| aws_domain(region)));
                let host =
                    Authority::try_from(host).map_err(|error| Rejection::new(Kind::Internal).with_source(error))?;
                (Scheme::HTTPS, host, "")
            }
        };
        let target = [path, "/"].concat();
        let uri =
            Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().map_err(internal)?;
        Ok(Self { uri, operator: own.is_some() })
    }
}

/// The signed request. Everything in it is form-encoded, so no value can add a parameter.
pub(super) fn assume(
    role: &AwsRole,
    region: &str,
    endpoint: &Endpoint,
    base: &AwsKeys,
    now: SystemTime,
    signing_keys: &SigningKeys,
) -> Result<Request<Bytes>, Rejection> {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(256));
    form.append_pair("Action", "AssumeRole")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", role.arn())
        .append_pair("RoleSessionName", "portkey-gateway")
        .append_pair("DurationSeconds", "3600");
    if let Some(id) = role.external_id() {
        form.append_pair("ExternalId", id);
    }
    for (index, (name, value)) in role.tags().enumerate() {
        let place = index + 1;
        form.append_pair(&format!("Tags.member.{place}.Key"), name);
        form.append_pair(&format!("Tags.member.{place}.Value"), value);
    }
    let body = Bytes::from(form.finish());
    let (mut head, ()) = Request::post(endpoint.uri.clone())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"))
        .header(ACCEPT, HeaderValue::from_static("text/xml"))
        .body(())
        .map_err(|error| Rejection::new(Kind::Internal).with_source(error))?
        .into_parts();
    let stamp = Stamp::of(now).ok_or_else(|| Rejection::new(Kind::Internal))?;
    sign(&mut head, &body, base, Scope { region, service: "sts" }, &stamp, signing_keys, |_| false)?;
    Ok(Request::from_parts(head, body))
}
