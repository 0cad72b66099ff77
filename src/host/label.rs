//! One DNS label.

/// The longest label DNS carries, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// Whether `text` may stand as one label of a host: 1 to 63 ASCII letters, digits and hyphens, neither beginning nor
/// ending with a hyphen (RFC 1123, section 2.1), in either case.
///
/// Labels that begin with `xn--` (RFC 5890) are refused: nothing Portkey knows is named so, and what they decode to
/// can look like another name. A label never holds a dot, so a value that passes cannot move a host template such as
/// `bedrock-runtime.{region}.amazonaws.com` to another domain.
///
/// ```
/// use tower_portkey::host::is_host_label;
///
/// assert!(is_host_label("us-east-1"));
/// assert!(!is_host_label("us-east-1.evil.com#"));
/// ```
pub fn is_host_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    bytes.len() <= MAX_LABEL
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && !bytes.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_labels() {
        let longest = "a".repeat(63);
        for label in ["a", "0", "A1-b2", "us-gov-west-1", "a--b", "00000000-0000-4000-8000-000000000000", &longest] {
            assert!(is_host_label(label), "{label}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let too_long = "a".repeat(64);
        let refused = [
            "",
            ".",
            "-",
            "-a",
            "a-",
            "a.b",
            "a_b",
            "a/b",
            "a\\b",
            "a#b",
            "a?b",
            "a:1",
            "a@b",
            "a b",
            " a",
            "a\n",
            "a\r\nb",
            "a\0",
            "a%2e",
            "%s",
            "*",
            "[::1]",
            "ä",
            "ａ",
            "\u{feff}a",
            "a'b",
            "a`b",
            "{v}",
            "xn--a",
            "XN--a",
            &too_long,
        ];
        for label in refused {
            assert!(!is_host_label(label), "{label:?}");
        }
    }

    proptest! {
        #[test]
        fn a_label_stays_where_the_template_puts_it(text in "\\PC{0,9}|[A-Za-z0-9-]{1,63}|[A-Za-z0-9.:/@#-]{0,12}") {
            if !is_host_label(&text) {
                return Ok(());
            }
            let url = url::Url::parse(&format!("https://bedrock-runtime.{text}.amazonaws.com/model")).ok();
            let expected = format!("bedrock-runtime.{}.amazonaws.com", text.to_ascii_lowercase());
            prop_assert_eq!(url.as_ref().and_then(url::Url::host_str), Some(expected.as_str()));
        }
    }
}
