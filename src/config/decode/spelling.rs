//! Names that look like others.
//!
//! A member under another spelling of its name is not read. A caller who wrote one believes that it is, and another
//! program may read it, so a config with one is refused.

use super::schema::Field;
use crate::header::PortkeyHeader;

/// The member that `name` is another spelling of, among these fields and, where `headers` says so, the members of
/// providers' groups.
pub(super) fn alike(name: &str, fields: &[Field], headers: bool) -> Option<&'static str> {
    let of_headers = PortkeyHeader::ALL.iter().filter(|_| headers).filter_map(|header| header.field());
    // Each begins with a small letter.
    let mut known = fields.iter().map(|field| field.name).chain(of_headers);
    let first = folded(name).next()?;
    known.find(|known| known.as_bytes().first() == Some(&first) && folded(known).eq(folded(name)))
}

/// The letters and digits of a name, in one case.
fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{super::schema::CONFIG, *};

    #[test]
    fn every_spelling_finds_its_name() {
        for (name, expected) in [
            ("customHost", "custom_host"),
            ("CUSTOM_HOST", "custom_host"),
            ("custom-host", "custom_host"),
            ("custom_host ", "custom_host"),
            ("__proto__custom_host", ""),
            ("resourceName", "resource_name"),
            ("ApiVersion", "api_version"),
            ("strict_openai_compliance", "strict_open_ai_compliance"),
            ("host", ""),
            ("", ""),
        ] {
            assert_eq!(alike(name, CONFIG, true).unwrap_or_default(), expected, "{name}");
        }
        assert_eq!(alike("resourceName", CONFIG, false), None);
    }
}
