//! The fields of a form, and the one named `model` (RFC 7578, RFC 2046; pure).
//!
//! Strict: whatever two readers could read in two ways is refused, so that the field which is found here is the one that
//! the provider finds. The boundary may stand nowhere but in delimiters, lines end with CR LF, nothing comes before the
//! first delimiter or after the last one, and headers of parts are neither folded nor doubled nor escaped.

use std::ops::Range;

use memchr::memmem;

use crate::json::is_alike;

/// Why a form can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    /// It is none, or could be read in two ways.
    Malformed,
    /// It has the field twice.
    Twice,
}

/// What a form says about the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where the value of the field stands.
    pub(crate) model: Option<Range<usize>>,
    /// Whether another field could be taken for it.
    pub(crate) alike: bool,
}

/// The boundary in a content type. `None` where it is no form, or has none or several.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let found = one(params(content_type, "multipart/form-data")?, "boundary")?;
    ((1..=70).contains(&found.len()) && found.bytes().all(letter) && !found.ends_with(' ')).then_some(found)
}

/// The field `model` of a form with this boundary. Takes one pass.
pub(crate) fn read(body: &[u8], boundary: &str) -> Result<Form, FormError> {
    let mut form = Form::default();
    each(body, boundary, |part| {
        form.alike |= is_alike(part.name);
        if part.name != "model" {
            return Ok(());
        }
        if part.file {
            return Err(FormError::Malformed);
        }
        form.model.replace(part.value).map_or(Ok(()), |_| Err(FormError::Twice))
    })?;
    Ok(form)
}

/// Shows each part of a form with this boundary. Takes one pass.
pub(crate) fn each<'b>(
    body: &'b [u8],
    boundary: &str,
    mut see: impl FnMut(Part<'b>) -> Result<(), FormError>,
) -> Result<(), FormError> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut at = if body.starts_with(b"\r\n") { 2 } else { 0 };
    if !body[at..].starts_with(&delimiter) {
        return Err(FormError::Malformed);
    }
    loop {
        at += delimiter.len();
        match &body[at..] {
            [b'-', b'-'] | [b'-', b'-', b'\r', b'\n'] => return Ok(()),
            [b'\r', b'\n', ..] => at += 2,
            _ => return Err(FormError::Malformed),
        }
        let next = at + finder.find(&body[at..]).ok_or(FormError::Malformed)?;
        let part = body[at..next].strip_suffix(b"\r\n").ok_or(FormError::Malformed)?;
        let end = memmem::find(part, b"\r\n\r\n").ok_or(FormError::Malformed)?;
        see(part_of(&part[..end], at + end + 4..at + part.len()).ok_or(FormError::Malformed)?)?;
        at = next;
    }
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    /// Whether it is a file.
    pub(crate) file: bool,
    #[cfg_attr(not(feature = "bedrock"), allow(dead_code))]
    pub(crate) content_type: Option<&'a str>,
    /// Where its value stands.
    pub(crate) value: Range<usize>,
}

/// The part with these headers.
fn part_of(head: &[u8], bytes: Range<usize>) -> Option<Part<'_>> {
    let (mut found, mut content_type) = (None, None);
    for line in std::str::from_utf8(head).ok()?.split("\r\n") {
        if line.bytes().any(|byte| byte < b' ' && byte != b'\t') {
            return None;
        }
        let (name, value) = line.split_once(':')?;
        if !is_token(name) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-disposition") {
            if found.replace(params(value, "form-data")?).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            // Any other one would make the value something else than its bytes.
            ["7bit", "8bit", "binary"].iter().find(|plain| value.eq_ignore_ascii_case(plain))?;
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(value);
        }
    }
    let found = found?;
    let has = |wanted: &str| found.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let file = has("filename") || has("filename*");
    if has("name*") {
        return None;
    }
    let name = one(found, "name").filter(|name| !name.contains('%'))?;
    Some(Part { name, file, content_type, value: bytes })
}

/// The value of a parameter that stands there once.
fn one<'a>(params: Vec<(&'a str, &'a str)>, wanted: &str) -> Option<&'a str> {
    let mut found = params.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

/// The parameters of a header's value of this kind. `None` where it is of another, or where they could be read in two ways.
fn params<'a>(value: &'a str, kind: &str) -> Option<Vec<(&'a str, &'a str)>> {
    const SPACE: [char; 2] = [' ', '\t'];
    let (front, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
    if !front.trim_matches(SPACE).eq_ignore_ascii_case(kind) || value.contains('\\') {
        return None;
    }
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix(';')?.trim_start_matches(SPACE).split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(
                Some(after.find([';', ' ', '\t']).unwrap_or(after.len())).filter(|end| is_token(&after[..*end]))?,
            ),
        };
        if !is_token(name) {
            return None;
        }
        found.push((name, value));
        rest = after.trim_start_matches(SPACE);
    }
    Some(found)
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(head: &str, value: &str) -> String {
        format!("--x\r\n{head}\r\n\r\n{value}\r\n")
    }

    fn field(name: &str, value: &str) -> String {
        part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
    }

    fn found(body: &str) -> Result<Option<&str>, FormError> {
        Ok(read(body.as_bytes(), "x")?.model.map(|range| &body[range]))
    }

    #[test]
    fn boundaries() {
        for (text, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("Multipart/Form-Data;Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data; charset=utf-8; boundary=x", Some("x")),
            ("multipart/form-data; boundary=\"x;boundary=y\"", None),
            ("multipart/form-data; boundary=x; boundary=y", None),
            ("multipart/form-data; boundary=x y", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"\"", None),
            ("multipart/form-data; boundary=\"a\\\"b\"", None),
            ("multipart/form-data; boundary=x;", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=x", None),
            ("application/json; boundary=x", None),
        ] {
            assert_eq!(boundary(text), expected, "{text}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }

    #[test]
    fn the_field_is_found() {
        let (one, end) = (field("model", "@a/b"), "--x--\r\n");
        let file = part(
            "content-disposition: form-data; name=file; filename=\"model\"\r\nContent-Type: audio/wav",
            "RIFF\r\n\r\n",
        );
        for (body, expected) in [
            (format!("{one}{end}"), Some("@a/b")),
            (format!("\r\n{one}--x--"), Some("@a/b")),
            (format!("{file}{one}{}{end}", field("models", "c")), Some("@a/b")),
            (format!("{}{end}", part("Content-Disposition:form-data ;\tNAME=model", "m")), Some("m")),
            (format!("{}{end}", field("model", "")), Some("")),
            (format!("{}{end}", field("model", "a\r\nb\n--")), Some("a\r\nb\n--")),
            (format!("{file}{end}"), None),
            (end.to_owned(), None),
        ] {
            assert_eq!(found(&body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let (one, end) = (field("model", "m"), "--x--\r\n");
        let head = |head: &str| format!("{}{end}", part(head, "m"));
        for body in [
            String::new(),
            "{}".to_owned(),
            one.clone(),
            format!("preamble\r\n{one}{end}"),
            format!("{one}{end}more"),
            format!("{one}{end}{one}{end}"),
            format!("{}{end}", field("a", "1\n--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm")),
            format!("{}{end}", field("a", "--xy")),
            format!("--x \r\n{}", &one[5..]),
            format!("{one}{end}").replace("\r\n", "\n"),
            "--x\r\n--x--\r\n".to_owned(),
            "--x\r\n\r\nm\r\n--x--\r\n".to_owned(),
            head("Content-Type: text/plain"),
            head("Content-Disposition: form-data"),
            head("Content-Disposition: attachment; name=\"model\""),
            head("Content-Disposition: form-data; name=\"a\"; name=\"model\""),
            head("Content-Disposition: form-data; name=\"a\"; name*=utf-8''model"),
            head("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"model\""),
            head("Content-Disposition: form-data;\r\n name=\"model\""),
            head("Content-Disposition : form-data; name=\"model\""),
            head("Content-Disposition: form-data; name=\"mod%65l\""),
            head("Content-Disposition: form-data; name=\"a\"; filename=\"b\\\"; name=\\\"model\""),
            head("Content-Disposition: form-data; name=\"a\rb\""),
            head("Content-Disposition: form-data; name=a b"),
            head("Content-Disposition: form-data; name="),
            head("Content-Disposition: form-data; name=\"model\"; filename=\"a\""),
            head("Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64"),
        ] {
            assert_eq!(found(&body), Err(FormError::Malformed), "{body}");
        }
        assert_eq!(found(&format!("{one}{one}{end}")), Err(FormError::Twice));
        for (name, alike) in
            [("Model", true), ("model ", true), ("model[]", true), ("models", true), ("modes", false), ("a", false)]
        {
            let form = read(format!("{}{end}", field(name, "m")).as_bytes(), "x");
            assert_eq!(form, Ok(Form { model: None, alike }), "{name}");
        }
    }

    proptest! {
        #[test]
        fn fields_come_out_as_they_went_in(
            fields in proptest::collection::vec(("[a-c]{1,3}", "[a-z\r\n-]{0,20}"), 0..4),
            model in proptest::option::of("[@a-z/\r\n-]{0,20}"),
            place in 0_usize..4,
        ) {
            prop_assume!(fields.iter().map(|(_, value)| value).chain(&model).all(|value| !format!("{value}\r\n").contains("--x")));
            let mut parts: Vec<_> = fields.iter().map(|(name, value)| field(name, value)).collect();
            if let Some(model) = &model {
                parts.insert(place.min(parts.len()), field("model", model));
            }
            let body = format!("{}--x--\r\n", parts.concat());
            prop_assert_eq!(found(&body), Ok(model.as_deref()), "{}", body);
        }

        #[test]
        fn any_bytes_are_answered(
            body in proptest::collection::vec(any::<u8>(), 0..80),
            text in "(--x|\r\n|--|[a-z:;=\"])*",
            value in any::<String>(),
        ) {
            let _ = read(&body, "x");
            let _ = read(text.as_bytes(), "x");
            let _ = boundary(&format!("multipart/form-data{value}"));
        }
    }
}
