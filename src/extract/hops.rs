//! How many gateways of this kind a request has been through (RFC 8586).

use http::HeaderMap;

use crate::{
    header::{CDN_LOOP, HOP_ID, HOPS},
    rejection::{Kind, Rejection},
};

/// Whether this is the header that [`count`] reads: asked of every name, so by its length first.
pub(super) fn is_counted_in(name: &str) -> bool {
    name.len() == CDN_LOOP.as_str().len() && name == CDN_LOOP.as_str()
}

/// How often gateways have put their name onto the request. Whoever writes it there by hand has only his own request
/// refused: it is taken off, and never read for anything else.
///
/// # Errors
///
/// So often that one more would be too many: [`Kind::LoopDetected`].
pub(super) fn count(headers: &HeaderMap) -> Result<u8, Rejection> {
    let lines = headers.get_all(&CDN_LOOP).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let ids = lines.map(|info| info.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii());
    let hops = ids.filter(|id| id.eq_ignore_ascii_case(HOP_ID.as_bytes())).take(HOPS.len()).count();
    match u8::try_from(hops) {
        Ok(hops) if usize::from(hops) < HOPS.len() => Ok(hops),
        _ => Err(Rejection::new(Kind::LoopDetected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn hops_are_counted_over_lines_and_lists() {
        for (lines, expected) in [
            (&[][..], Some(0)),
            (&["cloudflare"], Some(0)),
            (&["portkey-gateway"], Some(1)),
            (&["other; v=portkey-gateway, PORTKEY-Gateway;v=1"], Some(1)),
            (&["portkey-gateway", " portkey-gateway "], Some(2)),
            (&["portkey-gateway-2, xportkey-gateway"], Some(0)),
            (&["portkey-gateway,portkey-gateway", "other,portkey-gateway"], None),
            (&["portkey-gateway,portkey-gateway,portkey-gateway,portkey-gateway"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CDN_LOOP, HeaderValue::from_static(line));
            }
            let found = count(&headers);
            assert_eq!(found.as_ref().ok().copied(), expected, "{lines:?}");
            assert!(found.is_ok() || found.is_err_and(|error| error.kind() == Kind::LoopDetected));
        }
        assert!(is_counted_in("cdn-loop") && !is_counted_in("cdn-look") && !is_counted_in("via"));
    }
}
