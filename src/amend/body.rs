//! The body with its members amended (pure).

use bytes::Bytes;

use crate::{context::Amendment, json::Members};

/// What the body becomes; `None` where it is no JSON object, or already what it should be.
pub(super) fn amended(body: &Bytes, amendment: &Amendment) -> Option<Bytes> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let model = amendment.model().and_then(|name| serde_json::to_string(name).ok());
    let missing = |name: &str| members.iter().all(|(known, _)| *known != name);
    let default = amendment.default_member().filter(|(name, _)| missing(name));
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut put = |name: &str, value: &str| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        // Writing a text to memory can't fail.
        let _ = serde_json::to_writer(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    };
    // Where no model is named, there is still one at the provider.
    if let Some(model) = model.as_deref().filter(|_| missing("model")) {
        put("model", model);
    }
    for (name, value) in &members {
        match (&**name, &model) {
            ("model", Some(model)) => put(name, model),
            ("model", None) => {}
            _ => put(name, value.get()),
        }
    }
    if let Some((name, value)) = default {
        put(name, value);
    }
    if out.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &'static str, amendment: &Amendment) -> Option<String> {
        let bytes = amended(&Bytes::from_static(body.as_bytes()), amendment)?;
        Some(String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[test]
    fn a_model_is_replaced_added_or_gone_and_the_rest_keeps_its_text() {
        let named = Amendment::of_model("a\"b");
        for (body, expected) in [
            (r#"{"model":"x","n":1e+0,"s":"\u00e9"}"#, Some(r#"{"model":"a\"b","n":1e+0,"s":"\u00e9"}"#)),
            (r#"{"n": [1, 2],"model":null}"#, Some(r#"{"n":[1, 2],"model":"a\"b"}"#)),
            (r#"{"model":"x","model":"y"}"#, Some(r#"{"model":"a\"b","model":"a\"b"}"#)),
            (r#"{"mod\u0065l":"x"}"#, Some(r#"{"model":"a\"b"}"#)),
            ("{}", Some(r#"{"model":"a\"b"}"#)),
            ("[]", None),
            ("", None),
            ("model=x", None),
        ] {
            assert_eq!(of(body, &named).as_deref(), expected, "{body}");
        }
        let gone = Amendment::without_model().with_default("v", "1");
        assert_eq!(of(r#"{"model":"x","a":2}"#, &gone).as_deref(), Some(r#"{"a":2,"v":1}"#));
        assert_eq!(of(r#"{"model":"x","v":3}"#, &gone).as_deref(), Some(r#"{"v":3}"#));
        assert_eq!(of(r#"{"model":"x"}"#, &Amendment::without_model()).as_deref(), Some("{}"));
    }
}
