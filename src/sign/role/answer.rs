//! What STS answers (pure).

use http::StatusCode;

use crate::{Secret, context::AwsKeys, session::Session, sign::time};

/// The session in an answer of `AssumeRole`. `None` where it has none, or one that is not whole.
pub(super) fn session(xml: &[u8]) -> Option<Session<AwsKeys>> {
    let xml = std::str::from_utf8(xml).ok()?;
    let inside = element(xml, "Credentials")?;
    let text = |name| element(inside, name).map(str::trim).filter(|text| !text.is_empty() && !text.contains('&'));
    let token = Secret::from(text("SessionToken")?);
    let keys = AwsKeys::new(text("AccessKeyId")?, Secret::from(text("SecretAccessKey")?), Some(token)).ok()?;
    Some(Session { value: keys, expires_at: time::parse(text("Expiration")?)? })
}

/// Status and code of a refusal, for logs. Its message may name accounts and people, so it is left out.
pub(super) fn refusal(status: StatusCode, xml: &[u8]) -> String {
    let code = std::str::from_utf8(xml).ok().and_then(|xml| element(xml, "Code")).unwrap_or_default();
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '.';
    format!("STS answered {} {}", status.as_u16(), code.chars().filter(plain).take(64).collect::<String>())
}

/// What stands in the first element of this name. The texts that are looked for are made of letters, digits and signs
/// that XML escapes none of; one with an escape in it is no key, and refused as such.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
        <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/y</Arn></AssumedRoleUser>
        <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s+/1</SecretAccessKey>
        <SessionToken>t==</SessionToken><Expiration>2025-01-02T04:04:05Z</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>"#;

    #[test]
    fn a_session_is_read_whole_or_not_at_all() {
        let session = session(ANSWER.as_bytes()).expect("a session");
        assert_eq!(session.value.access_key_id(), "ASIA1");
        assert_eq!(session.value.secret_access_key().expose(), "s+/1");
        assert_eq!(session.value.session_token().map(Secret::expose), Some("t=="));
        assert_eq!(Some(session.expires_at), time::parse("2025-01-02T04:04:05Z"));
        for name in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Credentials"] {
            let broken = ANSWER.replace(name, "Other");
            assert!(super::session(broken.as_bytes()).is_none(), "{name}");
        }
        for value in ["ASIA1", "s+/1", "t=="] {
            assert!(super::session(ANSWER.replace(value, "a&amp;\r\n").as_bytes()).is_none(), "{value}");
            assert!(super::session(ANSWER.replace(value, " ").as_bytes()).is_none(), "{value}");
        }
        assert!(super::session(b"\xff").is_none() && super::session(b"").is_none());
    }

    #[test]
    fn a_refusal_is_told_by_its_code() {
        let xml = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:canary</Message></Error>";
        assert_eq!(refusal(StatusCode::FORBIDDEN, xml), "STS answered 403 AccessDenied");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, b"\xff"), "STS answered 502 ");
    }
}
