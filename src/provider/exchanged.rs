//! What providers have in common that take tokens for other credentials (pure).

use super::{bound::Bound, template::refuse};
use crate::{
    context::{Credential, CredentialSource, ExchangeError, Placement, TokenExchange, TokenSource},
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

/// What is shown to the provider.
pub(super) enum Shown {
    /// A key or a token that is at hand, and where it goes.
    Key(Option<(Credential, CredentialSource)>, Placement),
    /// A token that has to be got.
    Exchange(TokenExchange, CredentialSource),
}

/// An exchange with what is known of whoever it is for.
pub(super) fn exchanged(bound: &Bound<'_>, exchange: TokenExchange, tenancy: &str) -> TokenExchange {
    let exchange = exchange.with_tenancy(tenancy);
    match bound {
        Bound::Entry(entry) => exchange.with_holder(&format!("the provider entry {}", entry.slug())),
        Bound::Config { saved: true, .. } => exchange.with_holder("the saved config"),
        Bound::Config { .. } | Bound::Headers { .. } => exchange,
    }
}

/// Whether the gateway key, which has let the caller in, would go out for a token.
pub(super) fn leaves(key: &Credential, exchange: &TokenExchange) -> bool {
    let out = match exchange.source() {
        TokenSource::Entra(client) => [client.tenant(), client.id(), client.secret().expose()],
        TokenSource::AzureManaged(Some(id)) | TokenSource::AzureWorkload(Some(id)) => [&**id, "", ""],
        TokenSource::GoogleAccount(account) => [account.json().expose(), "", ""],
        _ => [""; 3],
    };
    let shown = |text: &&str| **text == *key.expose() || key.is_repeated_by(text.as_bytes());
    out.iter().chain([&exchange.scope()]).any(shown)
}

pub(super) fn missing(bound: &Bound<'_>, name: PortkeyHeader) -> Rejection {
    match bound {
        Bound::Entry(entry) => Rejection::new(Kind::InvalidRequest).with_message(format!(
            "The provider entry {} holds no {}",
            entry.slug(),
            name.field().unwrap_or_default()
        )),
        Bound::Config { .. } | Bound::Headers { .. } => refuse(name, "is required"),
    }
}

pub(super) fn bad(bound: &Bound<'_>, name: PortkeyHeader, error: ExchangeError) -> Rejection {
    match bound {
        Bound::Entry(entry) => Rejection::new(Kind::InvalidRequest).with_message(format!(
            "The provider entry {}: {}: {error}",
            entry.slug(),
            name.field().unwrap_or_default()
        )),
        Bound::Config { .. } | Bound::Headers { .. } => refuse(name, &format!("can't be used: {error}")),
    }
}
