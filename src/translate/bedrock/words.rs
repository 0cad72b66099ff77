//! AWS's words and OpenAI's.

/// Why the model stopped. Where the answer needn't be OpenAI's to the letter, AWS's own word.
pub(super) fn finish_reason(stop_reason: Option<&str>, strict: bool) -> &str {
    match stop_reason {
        Some(word) if !strict => word,
        Some("tool_use") => "tool_calls",
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("guardrail_intervened" | "content_filtered") => "content_filter",
        // `end_turn` and `stop_sequence`; `malformed_model_output` and `malformed_tool_use`, for which there is no word.
        _ => "stop",
    }
}

/// Whether AWS itself makes a call and answers it.
pub(super) fn runs_at_aws(kind: Option<&str>) -> bool {
    kind == Some("server_tool_use")
}

/// The status that an exception has, or would have if it weren't told within a stream.
pub(super) fn status(exception: &str) -> Option<u16> {
    let exception = exception.strip_suffix("Exception").unwrap_or(exception);
    match exception.to_ascii_lowercase().as_str() {
        "validation" | "servicequotaexceeded" | "conflict" => Some(400),
        "accessdenied" => Some(403),
        "resourcenotfound" => Some(404),
        "modeltimeout" => Some(408),
        "modelerror" | "modelstreamerror" => Some(424),
        "throttling" | "modelnotready" => Some(429),
        "internalserver" | "internalfailure" => Some(500),
        "serviceunavailable" => Some(503),
        _ => None,
    }
}

/// An exception's name, in the one spelling: streams begin it in lower case, headers put a URL behind it, bodies a
/// namespace before it. `None` where it is no name.
pub(super) fn exception(name: &str) -> Option<String> {
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| {
        let (first, rest) = name.split_at(1);
        first.to_ascii_uppercase() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_exceptions() {
        for (text, expected) in [
            ("ThrottlingException", Some("ThrottlingException")),
            ("throttlingException", Some("ThrottlingException")),
            ("ValidationException:http://internal.amazon.com/coral/", Some("ValidationException")),
            ("com.amazon.coral.service#AccessDeniedException", Some("AccessDeniedException")),
            ("", None),
            ("a b", None),
            ("é", None),
        ] {
            assert_eq!(exception(text).as_deref(), expected, "{text}");
        }
        assert_eq!(status("ThrottlingException"), Some(429));
        assert_eq!(status("modelStreamErrorException"), Some(424));
        assert_eq!(status("Strange"), None);
    }
}
