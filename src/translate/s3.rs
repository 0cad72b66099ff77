//! OpenAI's files as objects of AWS S3 (pure).
//!
//! Sources: OpenAI's Files API, AWS's API reference (PutObject, GetObjectAttributes, REST error responses), and Portkey's
//! gateway for what an object is called.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::{
    form::{FormError, boundary, each},
    rejection::{Kind, Rejection},
};

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest message that is passed on, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// A file that is uploaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) content: Bytes,
    pub(super) content_type: Option<String>,
    pub(super) purpose: Option<String>,
}

/// The file of a form, without a copy.
pub(super) fn file(content_type: Option<&str>, body: &Bytes) -> Result<File, Rejection> {
    let refused = |message| Rejection::new(Kind::InvalidRequest).with_message(message);
    let boundary = content_type.and_then(boundary);
    let boundary = boundary.ok_or_else(|| refused("A file is uploaded as multipart/form-data"))?;
    let (mut file, mut purpose, mut twice) = (None, None, false);
    each(body, boundary, |part| {
        if part.name == "file" && part.file {
            twice |= file.replace((part.value, part.content_type.map(str::to_owned))).is_some();
        } else if part.name == "purpose" {
            let text = std::str::from_utf8(&body[part.value]).map_err(|_| FormError::Malformed)?;
            twice |= purpose.replace(text.to_owned()).is_some();
        }
        Ok(())
    })
    .map_err(|_| refused("The form can't be read"))?;
    let (range, content_type) = file.ok_or_else(|| refused("The form has no file"))?;
    if twice {
        return Err(refused("The form must have one file and one purpose"));
    }
    Ok(File { content: body.slice(range), content_type, purpose: purpose.filter(|purpose| !purpose.is_empty()) })
}

/// OpenAI's description of an object. `created`: `None` where it isn't known.
pub(super) fn described(object: &str, purpose: &str, bytes: u64, created: Option<SystemTime>) -> Vec<u8> {
    let created = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_secs());
    json!({
        "id": utf8_percent_encode(object, SEGMENT).to_string(),
        "object": "file",
        "bytes": bytes,
        "created_at": created,
        "filename": object,
        "purpose": purpose,
        "status": "processed",
        "status_details": "",
    })
    .to_string()
    .into_bytes()
}

/// The size in an answer of GetObjectAttributes.
pub(super) fn size(xml: &[u8]) -> Option<u64> {
    element(std::str::from_utf8(xml).ok()?, "ObjectSize")?.trim().parse().ok()
}

/// S3's error in OpenAI's words. `reason` is what the status is called.
pub(super) fn error(xml: &[u8], reason: &str) -> Vec<u8> {
    let xml = std::str::from_utf8(xml).unwrap_or_default();
    let code = element(xml, "Code").filter(|code| {
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    });
    // Beside the message stand the text that was signed, with the session token in it, and the key's id.
    let message = element(xml, "Message").filter(|message| message.len() <= LONGEST_MESSAGE).map(unescaped);
    let message = format!("bedrock error: {}", message.as_deref().unwrap_or(reason));
    let error = json!({"message": message, "type": code, "param": null, "code": null});
    json!({"error": error, "provider": "bedrock"}).to_string().into_bytes()
}

/// What stands in the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}

fn unescaped(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escape, letter)| text.replace(escape, letter))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=x";

    fn part(head: &str, value: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    fn read(parts: &[String]) -> Result<File, String> {
        let body = Bytes::from(parts.concat() + "--x--\r\n");
        file(Some(KIND), &body).map_err(|refused| refused.message().to_owned())
    }

    #[test]
    fn the_file_of_a_form() {
        let (purpose, line) = (part("name=\"purpose\"", "batch"), "{\"a\":1}\r\n\n--y");
        let typed = "name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: application/jsonl";
        let found = read(&[purpose.clone(), part(typed, line)]).expect("a file");
        let expected = File {
            content: line.into(),
            content_type: Some("application/jsonl".into()),
            purpose: Some("batch".into()),
        };
        assert_eq!(found, expected);
        let file = part("name=\"file\"; filename=\"a\"", "1");
        for (parts, expected) in [
            (vec![purpose.clone()], "The form has no file"),
            (vec![purpose.clone(), part("name=\"file\"", "1")], "The form has no file"),
            (vec![purpose.clone(), file.clone(), file.clone()], "The form must have one file and one purpose"),
            (vec![purpose.clone(), purpose, file], "The form must have one file and one purpose"),
            (vec!["rubbish".into()], "The form can't be read"),
        ] {
            assert_eq!(read(&parts), Err(expected.to_owned()));
        }
        assert!(
            super::file(Some("application/json"), &Bytes::new()).is_err() && super::file(None, &Bytes::new()).is_err()
        );
    }

    #[test]
    fn objects_and_errors_are_openais() {
        let created = UNIX_EPOCH + Duration::from_secs(9);
        let told: Value =
            serde_json::from_slice(&described("s3://b/a b.jsonl", "batch", 7, Some(created))).expect("JSON");
        assert_eq!(told["id"], "s3%3A%2F%2Fb%2Fa%20b.jsonl");
        assert_eq!(
            (&told["bytes"], &told["created_at"], &told["filename"]),
            (&json!(7), &json!(9), &json!("s3://b/a b.jsonl"))
        );
        let xml = "<GetObjectAttributesOutput><ObjectSize>12</ObjectSize></GetObjectAttributesOutput>";
        assert_eq!((size(xml.as_bytes()), size(b"<ObjectSize>x</ObjectSize>"), size(b"\xff")), (Some(12), None, None));
        let refused = b"<Error><Code>NoSuchKey</Code><Message>It&apos;s &amp;lt;gone</Message><StringToSign>CANARY</StringToSign></Error>";
        let told: Value = serde_json::from_slice(&error(refused, "Not Found")).expect("JSON");
        let expected =
            json!({"message": "bedrock error: It's &lt;gone", "type": "NoSuchKey", "param": null, "code": null});
        assert_eq!(told, json!({"error": expected, "provider": "bedrock"}));
        let told: Value = serde_json::from_slice(&error(b"<html>", "Not Found")).expect("JSON");
        assert_eq!(
            (&told["error"]["message"], &told["error"]["type"]),
            (&json!("bedrock error: Not Found"), &json!(null))
        );
    }
}
