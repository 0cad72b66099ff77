//! Which hosts a caller may name, and which addresses may be dialled for them.
//!
//! A caller chooses where a request goes with `x-portkey-custom-host`, or with `custom_host` in a config. Without
//! checks that is a way into the gateway's own network (server-side request forgery). This room holds the checks and
//! nothing else: it is pure, so it resolves no names and opens no connection. It answers three questions:
//!
//! - [`CustomHost::parse`]: may this URL be used at all? Called once, when the request is read.
//! - [`ip_verdict`]: may this address be dialled? Called again for **every** address a name resolves to, because a name
//!   says nothing about where it points; a private answer is fine only if [`CustomHost::is_trusted`].
//! - [`is_host_label`]: may this text become one label of a host built from a template (a region, a resource name)?
//!
//! The rules are those of Portkey's [custom hosts](https://portkey.ai/docs/product/ai-gateway/custom-hosts) page, which
//! has three classes: what nobody may reach, what only a trusted host may be ([`TrustedHosts`]), and the rest.
//!
//! ```
//! use tower_portkey::host::{CustomHost, HostErrorKind, TrustedHosts};
//!
//! let trusted = TrustedHosts::default(); // nothing
//! let host = CustomHost::parse("https://LLM.example.com:8443/v1/", &trusted)?;
//! assert_eq!(host.authority(), "llm.example.com:8443");
//! assert_eq!(host.path(), "/v1");
//!
//! // Loopback, written as one number: refused until the operator trusts it.
//! let refused = CustomHost::parse("http://2130706433:11434", &trusted).unwrap_err();
//! assert_eq!(refused.kind(), HostErrorKind::NotTrusted);
//! let trusted = TrustedHosts::parse(["127.0.0.1:11434"])?;
//! assert!(CustomHost::parse("http://2130706433:11434", &trusted)?.is_trusted());
//!
//! // The cloud's metadata service: refused whatever is trusted.
//! let refused = CustomHost::parse("http://169.254.169.254/latest", &trusted).unwrap_err();
//! assert_eq!(refused.kind(), HostErrorKind::NeverDialled);
//! # Ok::<(), tower_portkey::host::HostError>(())
//! ```
//!
//! # Where this is stricter than Portkey's open source gateway
//!
//! | value | Portkey | here |
//! | --- | --- | --- |
//! | `https:example.com`, `http:\\example.com`, `http://ex%61mple.com`, `http://x.com:/`, `http://x.com:080` | accepted | refused: one spelling of an authority |
//! | `#fragment`, a trailing dot after an IPv4 address | accepted | refused |
//! | non-ASCII and `xn--` hosts | accepted | refused |
//! | documentation, benchmarking and protocol ranges (`192.0.2.0/24`, `198.18.0.0/15`, …) | accepted | only when trusted |
//! | a public IPv4 address with leading zeros (`010.0.0.1`: 8.0.0.1 to some, 10.0.0.1 to others) | accepted | only when trusted |
//! | names of one label (`http://intranet`) | accepted | only when trusted |
//! | names that resolve to any address (`10.0.0.1.nip.io`) | accepted | refused |
//! | ports of databases, caches, mail, remote shells, orchestrators | accepted | refused, trusted or not |
//! | `localhost`, `127.0.0.1`, `::1`, `host.docker.internal` | trusted by default | nothing is trusted by default |
//!
//! More permissive in one place: IPv6 literals are judged by their address and public ones pass, as in Portkey's
//! enterprise gateway.

mod allowed;
mod custom;
mod error;
mod ip;
mod label;
mod name;
mod port;
mod shape;
mod trusted;
#[cfg(test)]
mod vectors;

pub use self::allowed::AllowedHosts;
pub use self::custom::CustomHost;
pub use self::error::{HostError, HostErrorKind};
pub use self::ip::{IpVerdict, ip_verdict};
pub use self::label::is_host_label;
pub use self::trusted::TrustedHosts;
