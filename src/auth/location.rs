//! Where a caller's gateway credential lives: the one place that finds it and takes it away.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::{
    context::Credential,
    header::{API_KEY, AZURE_API_KEY, GOOGLE_API_KEY, X_API_KEY},
    rejection::{Kind, Rejection},
};

/// The gateway credential: `x-portkey-api-key` as it is, else `authorization` without its scheme `Bearer`. An empty
/// header counts as absent (Portkey's Python SDK always sends one). Two lines of either are refused: which of them
/// counts would be a guess.
pub(super) fn find(headers: &HeaderMap) -> Result<Option<Credential>, Rejection> {
    let authorization = only(headers, &AUTHORIZATION)?;
    Ok(match only(headers, &API_KEY)?.filter(|value| !value.as_bytes().trim_ascii().is_empty()) {
        Some(value) => Credential::from_raw(value),
        None => authorization.and_then(Credential::from_authorization),
    })
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Rejection> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    match lines.next() {
        None => Ok(first),
        Some(_) => {
            let message = format!("Invalid header: {name} is given more than once");
            Err(Rejection::new(Kind::InvalidRequest).with_message(message))
        }
    }
}

/// Takes the credential that authenticated the caller off the request, wherever the caller repeated it. Another
/// credential beside it stays: it is the provider's.
pub(super) fn remove(headers: &mut HeaderMap, credential: &Credential) {
    headers.remove(API_KEY);
    for name in [AUTHORIZATION, X_API_KEY, AZURE_API_KEY, GOOGLE_API_KEY] {
        let mut found = headers.get_all(&name).iter().filter_map(Credential::from_authorization);
        if found.any(|found| found.expose() == credential.expose()) {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the wire contract's extraction table: both headers, the key that is used, what stays of
    /// `authorization`.
    #[test]
    fn every_row_of_the_table() {
        for (api_key, authorization, key, after) in [
            (Some("K"), None, Some("K"), None),
            (Some("K"), Some("Bearer P"), Some("K"), Some("Bearer P")),
            (Some("K"), Some("Bearer K"), Some("K"), None),
            (Some("K"), Some("bearer K"), Some("K"), None),
            (Some("K"), Some("K"), Some("K"), None),
            (None, Some("Bearer K"), Some("K"), None),
            (Some(""), Some("Bearer K"), Some("K"), None),
            (Some("  "), Some("Bearer K"), Some("K"), None),
            (None, Some("K"), Some("K"), None),
            (None, Some("bearer K"), Some("K"), None),
            (None, Some("BEARER  K"), Some("K"), None),
            (Some("K"), Some("Basic dTpw"), Some("K"), Some("Basic dTpw")),
            (None, Some("Basic dTpw"), Some("Basic dTpw"), None),
            (Some("Bearer K"), None, Some("Bearer K"), None),
            (None, Some("Bearer "), None, Some("Bearer ")),
            (None, None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            let lines = [(API_KEY, api_key), (AUTHORIZATION, authorization)];
            for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let found = find(&headers).expect("one line each");
            assert_eq!(found.as_ref().map(Credential::expose), key, "{api_key:?} {authorization:?}");
            if let Some(found) = found {
                remove(&mut headers, &found);
            }
            assert_eq!(headers.get(AUTHORIZATION).map(|value| value.to_str().expect("text")), after);
        }
    }

    #[test]
    fn a_repeated_credential_goes_from_every_header() {
        let mut headers = HeaderMap::new();
        for name in ["x-portkey-api-key", "x-api-key", "api-key", "x-goog-api-key"] {
            headers.insert(name, HeaderValue::from_static("K"));
        }
        headers.insert("authorization", HeaderValue::from_static("Bearer P"));
        let found = find(&headers).expect("one line each").expect("a credential");
        remove(&mut headers, &found);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["authorization"]);
    }

    #[test]
    fn two_lines_are_no_credential() {
        for name in [API_KEY, AUTHORIZATION] {
            let mut headers = HeaderMap::new();
            headers.append(&name, HeaderValue::from_static("Bearer P"));
            headers.append(&name, HeaderValue::from_static("Bearer K"));
            assert_eq!(find(&headers).err().map(|refused| refused.kind()), Some(Kind::InvalidRequest), "{name}");
        }
    }
}
