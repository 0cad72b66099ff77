//! URLs with `{fields}` in them: `https://{snowflake_account}.snowflakecomputing.com/api/v2`.
//!
//! A field's name is its name in a config object; behind a `!` stands an end that is taken off its value, behind a `=` what
//! counts where nobody gives it. Whether it stands in the host or in the path, its value must be one DNS label (in the path
//! with `_`, too): such a value holds no dot, slash, `%`, `?`, `#`, `@` or `:`, so it can neither move the host to another
//! domain nor add a segment, a query or a port.

use std::borrow::Cow;

use http::uri::Authority;

use crate::{
    header::{PREFIX, PortkeyHeader},
    host::is_host_label,
    rejection::{Kind, Rejection},
};

/// An `https` URL with fields in host or path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    host: &'static str,
    path: &'static str,
}

impl Template {
    /// Reads `https://host/path`. `None` where it begins with anything else.
    pub(crate) fn parse(url: &'static str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Some(Self { host, path })
    }

    /// The host, in lower case, with the values of the fields.
    ///
    /// # Errors
    ///
    /// A value is missing or no label: [`Kind::InvalidRequest`], naming the header.
    pub(crate) fn authority<'f>(
        &self,
        field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    ) -> Result<Authority, Rejection> {
        let host = fill(Part::Host, self.host, field)?.to_ascii_lowercase();
        // What the template says about the host must still be true of what a client will dial.
        let head = self.host.split('{').next().unwrap_or_default();
        let tail = self.host.rsplit('}').next().unwrap_or_default();
        let authority = Authority::try_from(host).map_err(|error| Rejection::new(Kind::Internal).with_source(error))?;
        let host = authority.host();
        let kept = host == authority.as_str() && host.starts_with(head) && host.ends_with(tail);
        let same_depth = host.split('.').count() == self.host.split('.').count();
        if !kept || !same_depth {
            return Err(Rejection::new(Kind::Internal));
        }
        // A field may be part of a label, and the whole of it too long.
        if !host.split('.').all(is_host_label) {
            return Err(Rejection::new(Kind::InvalidRequest).with_message("The provider's host name would be too long"));
        }
        Ok(authority)
    }

    /// The path, with the values of the fields; empty for the root.
    ///
    /// # Errors
    ///
    /// As for [`authority`](Template::authority).
    pub(crate) fn path<'f>(
        &self,
        field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    ) -> Result<Cow<'static, str>, Rejection> {
        fill(Part::Path, self.path, field)
    }
}

/// A refusal that names `header` and says what is wrong with it.
pub(crate) fn refuse(header: PortkeyHeader, what: &str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(format!("{PREFIX}{} {what}", header.suffix()))
}

/// The part of a URL that is filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Path,
}

fn fill<'f>(
    part: Part,
    template: &'static str,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<Cow<'static, str>, Rejection> {
    let Some((head, mut rest)) = template.split_once('{') else {
        return Ok(Cow::Borrowed(template));
    };
    let mut text = String::from(head);
    while let Some((name, tail)) = rest.split_once('}') {
        let (name, default) = name.split_once('=').map_or((name, None), |(name, default)| (name, Some(default)));
        let (name, without) = name.split_once('!').unwrap_or((name, ""));
        let header = PortkeyHeader::from_field(name).ok_or_else(|| Rejection::new(Kind::Internal))?;
        let value = field(header).filter(|value| !value.is_empty()).or(default);
        let value = value.ok_or_else(|| refuse(header, "is required"))?;
        // In a path, an underscore is as harmless as a letter.
        let label = if part == Part::Path { Cow::Owned(value.replace('_', "a")) } else { Cow::Borrowed(value) };
        if !is_host_label(&label) {
            return Err(refuse(header, "may hold letters, digits and inner hyphens only"));
        }
        text.push_str(value.strip_suffix(without).filter(|rest| !rest.is_empty()).unwrap_or(value));
        let (literal, next) = tail.split_once('{').unwrap_or((tail, ""));
        text.push_str(literal);
        rest = next;
    }
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SNOWFLAKE: &str = "https://{snowflake_account}.snowflakecomputing.com/api/v2";
    const WORKERS: &str = "https://api.cloudflare.com/client/v4/accounts/{workers_ai_account_id}/ai/run";
    const VERTEX: &str = "https://{vertex_region}-aiplatform.googleapis.com/v1/projects/{vertex_project_id}/x";

    fn render(template: &'static str, value: &str) -> Result<(String, String), Rejection> {
        let template = Template::parse(template).expect("an https URL");
        let host = template.authority(|_| Some(value))?;
        Ok((host.to_string(), template.path(|_| Some(value))?.into_owned()))
    }

    #[test]
    fn values_stay_where_the_template_puts_them() {
        let rendered = render(SNOWFLAKE, "Org1-Acct2").expect("a label");
        assert_eq!(rendered, ("org1-acct2.snowflakecomputing.com".into(), "/api/v2".into()));
        let rendered = render(WORKERS, "0aB9").expect("a label");
        assert_eq!(rendered, ("api.cloudflare.com".into(), "/client/v4/accounts/0aB9/ai/run".into()));
        let rendered = render(VERTEX, "p1").expect("a label");
        assert_eq!(rendered, ("p1-aiplatform.googleapis.com".into(), "/v1/projects/p1/x".into()));
    }

    #[test]
    fn a_refusal_names_the_header_and_not_the_value() {
        for (template, header) in
            [(SNOWFLAKE, "x-portkey-snowflake-account"), (WORKERS, "x-portkey-workers-ai-account-id")]
        {
            for value in ["", "..", ".", "evil.com#", "x@evil.com", "canary/../x", "a%2fb", "a:1", "a\r\nb", "ä"] {
                let error = render(template, value).expect_err("no label");
                assert_eq!(error.kind(), Kind::InvalidRequest);
                assert!(error.message().starts_with(header), "{}", error.message());
                assert!(value.len() < 3 || !error.message().contains(value), "{}", error.message());
            }
            let template = Template::parse(template).expect("an https URL");
            let path = template.authority(|_| None).and_then(|_| template.path(|_| None));
            assert_eq!(path.expect_err("no value").message(), format!("{header} is required"));
        }
    }

    #[test]
    fn a_label_made_of_a_field_and_more_has_its_limit_too() {
        let (longest, text) = ("a".repeat(52), "a".repeat(53));
        assert!(render(VERTEX, &longest).is_ok());
        assert_eq!(render(VERTEX, &text).expect_err("64 bytes").kind(), Kind::InvalidRequest);
    }

    #[test]
    fn a_name_that_is_no_field_is_our_own_mistake() {
        assert_eq!(render("https://{nobody}.example", "a").expect_err("no field").kind(), Kind::Internal);
    }

    #[test]
    fn attack_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut seen = 0;
        for case in vectors["cases"].as_array().expect("cases") {
            let template = match case["field"].as_str() {
                Some("snowflake_account") => SNOWFLAKE,
                Some("workers_ai_account") => WORKERS,
                _ => continue,
            };
            let value = case["value"].as_str().expect("a value");
            assert_eq!(render(template, value).is_ok(), case["expect"] == "accept", "{value:?}");
            seen += 1;
        }
        assert_eq!(seen, 57);
    }

    proptest! {
        #[test]
        fn any_value_is_refused_or_harmless(value in "\\PC{0,70}|[A-Za-z0-9.:/@#?%;\\\\-]{0,12}|[a-z0-9-]{1,20}|.*") {
            for (template, tail, segments) in [
                (SNOWFLAKE, ".snowflakecomputing.com", 3),
                (WORKERS, "api.cloudflare.com", 7),
                (VERTEX, "-aiplatform.googleapis.com", 5),
            ] {
                let Ok((host, path)) = render(template, &value) else { continue };
                prop_assert!(host.ends_with(tail), "{}", host);
                prop_assert_eq!(path.split('/').count(), segments);
                let url = url::Url::parse(&format!("https://{host}{path}"))
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!((url.host_str(), url.path()), (Some(host.as_str()), path.as_str()));
                prop_assert_eq!((url.port(), url.query(), url.fragment(), url.username()), (None, None, None, ""));
            }
        }
    }
}
