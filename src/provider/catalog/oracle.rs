//! Oracle's generative AI.

use super::spec::{Auth, Compat, Spec, away, bearer, from};
use crate::header::PortkeyHeader::OracleCompartmentId;

/// What OpenAI's clients call stands here.
const OPENAI: &str = "https://inference.generativeai.{oracle_region}.oci.oraclecloud.com/openai/v1";

pub(super) const SPECS: &[Spec] = &[Spec {
    auth: Auth::OciSignature,
    // Chats ask for the one, responses for the other.
    headers: &[from("compartmentid", OracleCompartmentId), from("opc-compartment-id", OracleCompartmentId)],
    compat: Some(Compat {
        base: OPENAI,
        paths: &["/chat/completions", "/responses", "/models"],
        auth: Auth::OciSignature,
    }),
    branches: &[
        away("/responses", "/responses", OPENAI),
        away("/conversations", "/conversations", OPENAI),
        away("/containers", "/containers", OPENAI),
        away("/files", "/files", OPENAI),
        away("/vector_stores", "/vector_stores", OPENAI),
        // Its own operations begin with the version of the API.
        away(
            "/actions",
            "/actions",
            "https://inference.generativeai.{oracle_region}.oci.oraclecloud.com/{oracle_api_version=20231130}",
        ),
    ],
    ..bearer("oracle", "https://inference.generativeai.{oracle_region}.oci.oraclecloud.com", "")
}];
