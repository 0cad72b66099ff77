//! Tokens that a provider takes beside keys.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Row, plan::Plan, spec::Token};
use crate::context::{Credential, Placement, ProviderHeader};

/// Has the credential shown as a token, where it is one: as a bearer, with the word that the provider asks for added to the
/// list which would go out otherwise. That is the field's, or the caller's own, or the row's.
pub(crate) fn as_token(row: &Row, plan: &mut Plan, credential: &Credential, callers: &HeaderMap) {
    let token = row.spec.token.filter(|token| credential.expose().starts_with(token.front));
    let Some(Token { header, word, .. }) = token else { return };
    plan.placement = Placement::bearer();
    let name = HeaderName::from_static(header);
    let own = plan.headers.iter().position(|header| header.name == name).map(|index| plan.headers.remove(index));
    let given = match own {
        Some(own) if own.replaces => vec![own.value],
        own => {
            let callers: Vec<_> = callers.get_all(&name).iter().cloned().collect();
            if callers.is_empty() { own.into_iter().map(|own| own.value).collect() } else { callers }
        }
    };
    let mut list: Vec<&str> = given.iter().filter_map(|value| value.to_str().ok()).collect();
    if !list.iter().any(|line| line.split(',').any(|part| part.trim() == word)) {
        list.push(word);
    }
    if let Ok(value) = HeaderValue::from_str(&list.join(",")) {
        plan.headers.push(ProviderHeader { name, value, replaces: true });
    }
}
