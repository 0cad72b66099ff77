//! Whether the request target and the host can be read in one way only.

use http::{Version, header::HOST, request::Parts};

use crate::rejection::{Kind, Rejection};

/// Refuses a path that a server behind us could take for another one, and a host that is none.
pub(super) fn check(head: &Parts) -> Result<(), Rejection> {
    if !is_plain_path(head.uri.path().as_bytes()) {
        return Err(refused(
            "Invalid path: dot segments, empty segments and encoded slashes, letters or control characters are refused",
        ));
    }
    let Some(host) = head.headers.get(HOST) else { return Ok(()) };
    let Some(host) = host.to_str().ok().filter(|host| is_authority(host)) else {
        return Err(refused("Invalid header: host is not a host and port"));
    };
    match head.uri.authority() {
        // RFC 9113, section 8.3.1: both name the same, or the request is malformed.
        Some(authority) if head.version == Version::HTTP_2 && !authority.as_str().eq_ignore_ascii_case(host) => {
            Err(refused("Invalid header: host differs from :authority"))
        }
        _ => Ok(()),
    }
}

fn refused(message: &'static str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(message)
}

/// No `//`, no `.` or `..` segment in any spelling, no backslash, no control character, and no encoded slash but in a name
/// that is known to have some, behind the two segments that routes are told apart by.
fn is_plain_path(path: &[u8]) -> bool {
    let of_models = path.starts_with(b"/v1/models/");
    let mut rest = path.strip_prefix(b"/").unwrap_or(path);
    let mut place = 0_usize;
    loop {
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let (segment, tail) = rest.split_at(end);
        let plain = is_plain_segment(segment, tail.is_empty())
            || (place > 1 && is_a_name_of_aws(segment))
            || (place == 2 && of_models && is_an_entrys_model(segment));
        if !plain {
            return false;
        }
        place += 1;
        match tail {
            [] => return true,
            [_, more @ ..] => rest = more,
        }
    }
}

fn is_plain_segment(segment: &[u8], last: bool) -> bool {
    if segment.is_empty() {
        // A path may end in a slash.
        return last;
    }
    if memchr::memchr2(b'%', b'\\', segment).is_none() {
        return !matches!(segment, b"." | b"..") && !segment.starts_with(b"..;") && !segment.starts_with(b".;");
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    let forbidden = |byte: &u8| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f);
    let before_parameters = decoded.split(|byte| *byte == b';').next().unwrap_or_default();
    !decoded.iter().any(forbidden) && !matches!(before_parameters, b"." | b"..") && !encodes_a_letter(segment)
}

/// An ARN, or the name of an object (`s3://bucket/key`), as one segment.
fn is_a_name_of_aws(segment: &[u8]) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    match decoded.strip_prefix(b"s3://") {
        Some(object) => is_plain_name(object, segment),
        None => decoded.starts_with(b"arn:") && is_plain_name(&decoded, segment),
    }
}

/// `@slug/model` as one segment, as OpenAI's clients write it.
fn is_an_entrys_model(segment: &[u8]) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    decoded.starts_with(b"@") && is_plain_name(&decoded, segment)
}

/// Whether nothing but the slashes of a name is out of the ordinary: whoever decodes it finds no path of anybody else's.
fn is_plain_name(name: &[u8], segment: &[u8]) -> bool {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'%' | b'\\' | b';');
    let whole = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    name.iter().all(plain) && name.split(|byte| *byte == b'/').all(whole) && !encodes_a_letter(segment)
}

/// `%6c` for `l`: the same path to a server that decodes, another one to a table of routes.
fn encodes_a_letter(segment: &[u8]) -> bool {
    let escapes = segment.split(|byte| *byte == b'%').skip(1).filter_map(|tail| tail.get(..2));
    let decoded = escapes.filter_map(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
    decoded.into_iter().any(|byte| byte.is_ascii_alphanumeric())
}

/// `host` or `host:port`: no user, no path, a port that is one.
fn is_authority(text: &str) -> bool {
    let (host, rest) = match text.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((host, rest)) => (host, rest),
            None => return false,
        },
        None => text.split_at(memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.is_empty() || (!port.starts_with('+') && port.parse::<u16>().is_ok()),
        None => rest.is_empty(),
    };
    let literal = text.starts_with('[');
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') || (literal && byte == b':');
    port && !host.is_empty() && host.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_two_readings_are_refused() {
        for (path, plain) in [
            ("/", true),
            ("", true),
            ("/v1/chat/completions", true),
            ("/v1/files/", true),
            ("/v1/models/gpt%204", true),
            ("/v1/chat/completions;a=b", true),
            ("/v1/models/...", true),
            ("/v1//chat", false),
            ("//admin", false),
            ("/v1/../admin", false),
            ("/v1/%2e%2E/admin", false),
            ("/v1/.%2e/admin", false),
            ("/v1/./chat", false),
            ("/v1/..;/admin", false),
            ("/v1/%2e%2e;x/admin", false),
            ("/v1/chat%2fcompletions", false),
            ("/v1/chat%5Ccompletions", false),
            ("/v1/a\\b", false),
            ("/v1/a%00", false),
            ("/v1/a%0d%0ab", false),
            ("/v1/%6cogs/exports", false),
            ("/v1/a%3Ab", true),
            ("/v1/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse", true),
            ("/v1/files/s3%3A%2F%2Fbucket%2Fa%2Fb%20c/content", true),
            ("/v1/arn%3Aaws%2Fx", false),
            ("/v1/model/a%2Fb/converse", false),
            ("/v1/model/arn%3Aaws%2F..%2Fx/converse", false),
            ("/v1/model/arn%3Aaws%2F%2Fx/converse", false),
            ("/v1/model/arn%3Aaws%252Fx%2Fy/converse", false),
            ("/v1/model/arn%3Aaws%2F%61/converse", false),
            ("/v1/model/arn%3Aaws%2F%00/converse", false),
            ("/v1/models/%40prod%2Fgpt-4o", true),
            ("/v1/models/@prod%2Fmeta%2Fllama", true),
            ("/v1/models/@prod%2F..%2Fx", false),
            ("/v1/@prod%2Fx", false),
            ("/v1/files/@prod%2Fx", false),
            ("/v1/models/x/@prod%2Fx", false),
            ("/v1/files/s3%3A%2F%2F..%2Fa", false),
            ("/v1/files/s3%3A%2F%2F", false),
            ("/v1/a%2", true),
        ] {
            assert_eq!(is_plain_path(path.as_bytes()), plain, "{path}");
        }
    }

    #[test]
    fn hosts_are_hosts() {
        for (host, good) in [
            ("gw.test", true),
            ("gw.test:8787", true),
            ("127.0.0.1:1", true),
            ("[::1]:80", true),
            ("a_b", true),
            ("gw.test:99999", false),
            ("gw.test:x", false),
            ("gw.test?", false),
            ("gw.test#", false),
            ("gw.test/v1/health?", false),
            ("user@gw.test", false),
            ("", false),
            ("[::1", false),
            ("a,b", false),
            ("a b", false),
            ("[]:1", false),
            ("[::1]1", false),
            ("a:+1", false),
            (":1", false),
        ] {
            assert_eq!(is_authority(host), good, "{host}");
        }
    }
}
