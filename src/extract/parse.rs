//! One pass over the header map.

use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::hops;
use crate::{
    context::{Metadata, PortkeyHeaders, TraceId},
    header::{BAGGAGE, INTERNAL, PREFIX, PortkeyHeader, SECRET, SINGLETON, TRACEPARENT},
    rejection::{Kind, Rejection},
};

/// The typed headers, and the names of the internal ones that have to go.
pub(super) fn read(headers: &HeaderMap) -> Result<(PortkeyHeaders, Vec<HeaderName>), Rejection> {
    // Room for what an SDK sends.
    let mut values = Vec::with_capacity(8);
    let mut internal = Vec::new();
    let (mut before, mut hops) = (None, 0);
    for (name, value) in headers {
        // Lines of one name follow each other.
        let again = before.replace(name) == Some(name);
        let text = name.as_str();
        if let Some(suffix) = text.strip_prefix(PREFIX) {
            if again {
                return Err(refused(name, "is given more than once"));
            }
            if INTERNAL.contains(&suffix) {
                internal.push(name.clone());
            } else if let Some(header) = PortkeyHeader::from_suffix(suffix) {
                let value = readable(header, name, value)?;
                // The gateway key is for authentication, which takes it off the request.
                if header != PortkeyHeader::ApiKey {
                    values.push((header, value));
                }
            } else if memchr(b'_', suffix.as_bytes()).is_some() {
                not_a_lookalike(name)?;
            }
        } else if again {
            if SINGLETON.contains(name) {
                return Err(refused(name, "is given more than once"));
            }
        } else if hops::is_counted_in(text) {
            hops = hops::count(headers)?;
        } else if memchr(b'_', text.as_bytes()).is_some() {
            not_a_lookalike(name)?;
        }
    }
    let trace_id = trace_id(headers, &values)?;
    let metadata = metadata(headers, &values);
    Ok((PortkeyHeaders::new(values, trace_id, metadata).after(hops), internal))
}

/// The value, shared; marked sensitive where it could hold a credential. JSON may be UTF-8, everything else is printable
/// ASCII.
fn readable(header: PortkeyHeader, name: &HeaderName, value: &HeaderValue) -> Result<HeaderValue, Rejection> {
    let fits = match header {
        // Labels never refuse a request: what can't be read of them is left out.
        PortkeyHeader::Metadata => true,
        PortkeyHeader::Config | PortkeyHeader::VertexServiceAccountJson => {
            std::str::from_utf8(value.as_bytes()).is_ok()
        }
        _ => value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)),
    };
    if !fits {
        return Err(refused(name, "holds a character that it may not hold"));
    }
    let mut value = value.clone();
    value.set_sensitive(true);
    Ok(value)
}

fn trace_id(headers: &HeaderMap, values: &[(PortkeyHeader, HeaderValue)]) -> Result<TraceId, Rejection> {
    if let Some((_, value)) = values.iter().find(|(name, value)| *name == PortkeyHeader::TraceId && !value.is_empty()) {
        return TraceId::from_header(value).ok_or_else(|| {
            let message = format!("x-portkey-trace-id is longer than {} bytes", TraceId::MAX_BYTES);
            Rejection::new(Kind::InvalidRequest).with_message(message)
        });
    }
    Ok(headers.get(TRACEPARENT).and_then(TraceId::from_traceparent).unwrap_or_else(TraceId::generate))
}

fn metadata(headers: &HeaderMap, values: &[(PortkeyHeader, HeaderValue)]) -> Metadata {
    let own = values.iter().find(|(name, _)| *name == PortkeyHeader::Metadata);
    let own = own.map(|(_, value)| Metadata::from_header(value)).unwrap_or_default();
    match headers.get(BAGGAGE).and_then(|value| value.to_str().ok()) {
        Some(baggage) => own.over(Metadata::from_baggage(baggage)),
        None => own,
    }
}

/// Some servers read `_` as `-`: a name that would then be a protected one is refused.
fn not_a_lookalike(name: &HeaderName) -> Result<(), Rejection> {
    let spelled = name.as_str().replace('_', "-");
    let protected = match spelled.strip_prefix(PREFIX) {
        Some(suffix) => INTERNAL.contains(&suffix) || PortkeyHeader::from_suffix(suffix).is_some(),
        None => {
            let is = |known: &HeaderName| known.as_str() == spelled;
            SECRET.iter().any(is)
                || SINGLETON.iter().any(is)
                || spelled == "transfer-encoding"
                || spelled.starts_with("x-amz-")
        }
    };
    if protected { Err(refused(name, &format!("is not read; the name is {spelled}"))) } else { Ok(()) }
}

fn refused(name: &HeaderName, why: &str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(format!("Invalid header: {name} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn refusal(lines: &[(&'static str, &'static str)]) -> Option<String> {
        read(&map(lines)).err().map(|rejection| rejection.message().to_owned())
    }

    #[test]
    fn what_may_stand_once_stands_once() {
        for name in [
            "x-portkey-provider",
            "x-portkey-unknown",
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "content-type",
            "content-length",
            "host",
            "x-portkey-aws-secret-access-key",
        ] {
            let expected = format!("Invalid header: {name} is given more than once");
            assert_eq!(refusal(&[(name, "a"), ("accept", "b"), (name, "a")]), Some(expected));
        }
        assert_eq!(refusal(&[("accept", "a"), ("accept", "b"), ("cookie", "a"), ("cookie", "b")]), None);
    }

    #[test]
    fn look_alikes_are_refused_and_strangers_are_not() {
        for (name, refused) in [
            ("x-portkey-api_key", true),
            ("x_portkey_config", true),
            ("x-portkey-virtual_key-details", true),
            ("api_key", true),
            ("content_length", true),
            ("transfer_encoding", true),
            ("x_amz_date", true),
            ("x-portkey-my_header", false),
            ("my_header", false),
        ] {
            assert_eq!(refusal(&[(name, "a")]).is_some(), refused, "{name}");
        }
    }

    #[test]
    fn internal_headers_are_named_for_removal_and_never_read() {
        let headers =
            map(&[("x-portkey-virtual-key-details", "{\"status\":\"exhausted\"}"), ("x-portkey-mode", "proxy openai")]);
        let (found, internal) = read(&headers).expect("headers");
        assert_eq!(internal, ["x-portkey-virtual-key-details"]);
        assert_eq!(found.text(PortkeyHeader::Mode), Some("proxy openai"));
    }

    #[test]
    fn the_trace_id_has_an_order() {
        let parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        for (lines, expected) in [
            (vec![("x-portkey-trace-id", "mine"), parent], Some("mine")),
            (vec![("x-portkey-trace-id", ""), parent], Some("4bf92f3577b34da6a3ce929d0e0e4736")),
            (vec![], None),
        ] {
            let (found, _) = read(&map(&lines)).expect("headers");
            match expected {
                Some(expected) => assert_eq!(found.trace_id().as_str(), expected),
                None => assert_eq!(found.trace_id().as_str().len(), 36),
            }
        }
    }

    #[test]
    fn json_may_be_utf_8_and_nothing_else_may() {
        let mut headers = HeaderMap::new();
        headers.insert("x-portkey-metadata", HeaderValue::from_bytes("{\"_user\":\"é\"}".as_bytes()).expect("a value"));
        assert_eq!(read(&headers).expect("headers").0.metadata().user(), Some("é"));
        // Node's clients send one byte for it.
        headers.insert("x-portkey-metadata", HeaderValue::from_bytes(b"{\"_user\":\"\xe9\"}").expect("a value"));
        assert_eq!(read(&headers).expect("headers").0.metadata().user(), Some("é"));
        headers.insert("x-portkey-aws-region", HeaderValue::from_bytes("é".as_bytes()).expect("a value"));
        assert!(read(&headers).is_err());
        assert!(refusal(&[("x-portkey-trace-id", "a\tb")]).is_some());
    }
}
