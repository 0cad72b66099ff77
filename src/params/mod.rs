//! The members of a JSON body that a config changes.
//!
//! [`ParamsLayer`] applies `default_params`, `override_params` and `drop_params`, in this order, to the JSON body of a
//! request whose config has any of them. Forms, empty bodies, and the bodies of all other requests pass through unread and
//! byte for byte. A body that has to be read is held in memory, up to a limit (10 MiB unless set); one that is longer is
//! 413, one that is no JSON object 400, and nothing is sent.

mod apply;
mod budget;
mod future;
mod layer;
mod service;

pub use future::ParamsFuture;
pub use layer::ParamsLayer;
pub use service::ApplyParams;
