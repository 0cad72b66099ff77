//! Saved-only mode: callers name what is stored, and bring nothing of their own (wire contract 2.6, shape D; pure).

use crate::{
    context::PortkeyHeaders,
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

/// Refuses the first thing that selects a provider, an endpoint or a config by other means than the name of a stored one.
/// A credential alone selects nothing.
pub(super) fn check(portkey: &PortkeyHeaders) -> Result<(), Rejection> {
    use PortkeyHeader as Header;
    let has = |header| portkey.value(header).is_some();
    let begins =
        |header, front: &str| portkey.value(header).is_none_or(|value| value.as_bytes().starts_with(front.as_bytes()));
    if !begins(Header::Config, "pc-") {
        return Err(blocked(
            ("inline_config_blocked", "x-portkey-config"),
            "Inline configs are not allowed when saved-only mode is enabled. Use a saved config via 'pc-...' instead.",
        ));
    }
    if !begins(Header::Provider, "@") {
        return Err(blocked(
            ("inline_provider_blocked", "x-portkey-provider"),
            "Inline provider names are not allowed when saved-only mode is enabled. Use a saved integration via '@slug' \
             instead.",
        ));
    }
    if has(Header::CustomHost) {
        return Err(blocked(
            ("inline_custom_host_blocked", "x-portkey-custom-host"),
            "Inline custom hosts are not allowed when saved-only mode is enabled. Set the custom host of a saved provider \
             instead.",
        ));
    }
    for (header, field) in [
        (Header::HuggingfaceBaseUrl, "x-portkey-huggingface-base-url"),
        (Header::AzureFoundryUrl, "x-portkey-azure-foundry-url"),
        (Header::DatabricksWorkspace, "x-portkey-databricks-workspace"),
    ] {
        if has(header) {
            return Err(blocked(
                ("inline_provider_url_blocked", field),
                "Inline provider URLs are not allowed when saved-only mode is enabled. Set the endpoint of a saved provider \
                 instead.",
            ));
        }
    }
    if has(Header::ForwardHeaders) {
        return Err(blocked(
            ("inline_forward_headers_blocked", "x-portkey-forward-headers"),
            "Inline forward headers are not allowed when saved-only mode is enabled. Set forward_headers in a saved config \
             instead.",
        ));
    }
    Ok(())
}

fn blocked((code, field): (&'static str, &'static str), message: &'static str) -> Rejection {
    Rejection::new(Kind::InlineBlocked).with_message(message).with_code(code, field)
}
