//! Every provider whose credential is a text in a header or in the query: one line or paragraph each.
//!
//! Not here: `azure-openai`, `azure-ai`, `bedrock`, `sagemaker`, `vertex-ai` and `oracle`, which sign requests or
//! exchange their credential.

use super::spec::{
    At, Auth, BEARER, Branch, CUSTOM_HOST, Compat, Extra, Spec, Token, away, bare, bearer, fixed, from, native,
};
use crate::header::PortkeyHeader::{
    AnthropicBeta, AnthropicVersion, DatabricksServingEndpointName, HuggingfaceBaseUrl, MistralFimCompletion,
    OpenAiBeta, OpenAiOrganization, OpenAiProject,
};

const CHAT: &str = "/chat/completions";
const COMPLETIONS: &str = "/completions";
const EMBEDDINGS: &str = "/embeddings";
const IMAGES: &str = "/images/generations";

const FIREWORKS_ACCOUNT: &str = "https://api.fireworks.ai/v1/accounts/{fireworks_account_id}";

/// The rows, in the order of the ids.
pub(super) static SPECS: &[Spec] = &[
    Spec {
        auth: Auth::Header("x-api-key", ""),
        headers: &[
            Extra { value: Some("2023-06-01"), ..from("anthropic-version", AnthropicVersion) },
            Extra { value: Some("messages-2023-12-15"), ..from("anthropic-beta", AnthropicBeta) },
        ],
        compat: Some(Compat { base: "https://api.anthropic.com/v1", paths: &[CHAT, "/models"], auth: BEARER }),
        collapses_v1: true,
        native_only: &[(At::Post(COMPLETIONS), "/complete")],
        token: Some(Token { front: "sk-ant-oat", header: "anthropic-beta", word: "oauth-2025-04-20" }),
        ..bearer("anthropic", "https://api.anthropic.com/v1", "")
    },
    bearer("anyscale", "https://api.endpoints.anyscale.com/v1", ""),
    Spec {
        compat: Some(Compat {
            base: "https://api.cohere.ai/compatibility/v1",
            paths: &[CHAT, EMBEDDINGS],
            auth: BEARER,
        }),
        native_only: &[
            (At::Post(COMPLETIONS), "/generate"),
            (At::Under("/files"), "/datasets"),
            (At::Under("/batches"), "/embed-jobs"),
        ],
        ..bearer("cohere", "https://api.cohere.ai", "/v1")
    },
    Spec {
        auth: Auth::Query("key"),
        headers: &[fixed("content-type", "application/json")],
        compat: Some(Compat {
            base: "https://generativelanguage.googleapis.com/v1beta/openai",
            paths: &[CHAT, EMBEDDINGS, "/models", IMAGES],
            auth: BEARER,
        }),
        ..bearer("google", "https://generativelanguage.googleapis.com", "/v1")
    },
    Spec {
        branches: &[Branch {
            at: At::Post(CHAT),
            to: "/fim/completions",
            base: None,
            flag: Some(MistralFimCompletion),
            given: None,
        }],
        fields_in_headers: false,
        ..bearer("mistral-ai", "https://api.mistral.ai/v1", "")
    },
    Spec {
        headers: &[
            from("openai-organization", OpenAiOrganization),
            from("openai-project", OpenAiProject),
            from("openai-beta", OpenAiBeta),
        ],
        ..bearer("openai", "https://api.openai.com/v1", "")
    },
    Spec {
        auth: Auth::Query("key"),
        headers: &[fixed("content-type", "application/json")],
        native_only: &[
            (At::Post(COMPLETIONS), "/models/{model}:generateText"),
            (At::Post(CHAT), "/models/{model}:generateMessage"),
            (At::Post(EMBEDDINGS), "/models/{model}:embedText"),
        ],
        ..native("palm", "https://generativelanguage.googleapis.com/v1beta3", "")
    },
    bearer("perplexity-ai", "https://api.perplexity.ai", ""),
    Spec {
        auth: Auth::Header("x-api-key", ""),
        compat: Some(Compat {
            base: "https://api.reka.ai/v1",
            paths: &[CHAT, "/models", "/responses"],
            auth: Auth::Header("x-api-key", ""),
        }),
        branches: &[bare("/chat")],
        ..bearer("reka-ai", "https://api.reka.ai", "/v1")
    },
    bearer("together-ai", "https://api.together.xyz", "/v1"),
    bearer("deepinfra", "https://api.deepinfra.com/v1/openai", ""),
    bearer("ncompass", "https://api.ncompass.tech/v1", ""),
    Spec {
        native_only: &[(At::Post(IMAGES), "/v2beta/stable-image/generate/{model}")],
        ..native("stability-ai", "https://api.stability.ai", "/v1")
    },
    Spec {
        native_only: &[(At::Post(EMBEDDINGS), "/embedding/text")],
        ..native("nomic", "https://api-atlas.nomic.ai/v1", "")
    },
    Spec { auth: Auth::None, branches: &[bare("/api")], ..bearer("ollama", CUSTOM_HOST, "/v1") },
    Spec {
        native_only: &[(At::Post(COMPLETIONS), "/{model}/complete"), (At::Post(EMBEDDINGS), "/embed")],
        ..bearer("ai21", "https://api.ai21.com/studio/v1", "")
    },
    bearer("groq", "https://api.groq.com/openai/v1", ""),
    Spec {
        auth: Auth::Header("x-api-key", ""),
        native_only: &[(At::Post(IMAGES), "/{model}")],
        ..native("segmind", "https://api.segmind.com/v1", "")
    },
    bearer("jina", "https://api.jina.ai/v1", ""),
    Spec {
        headers: &[fixed("accept", "application/json")],
        branches: &[
            away("/files", "/datasets", FIREWORKS_ACCOUNT),
            away("/datasets", "/datasets", FIREWORKS_ACCOUNT),
            away("/fine_tuning/jobs", "/supervisedFineTuningJobs", FIREWORKS_ACCOUNT),
            away("/supervisedFineTuningJobs", "/supervisedFineTuningJobs", FIREWORKS_ACCOUNT),
        ],
        native_only: &[(At::Post(IMAGES), "/image_generation/{model}"), (At::Post("/files"), "/datasets")],
        ..bearer("fireworks-ai", "https://api.fireworks.ai/inference/v1", "")
    },
    Spec {
        compat: Some(Compat {
            base: "https://api.cloudflare.com/client/v4/accounts/{workers_ai_account_id}/ai/v1",
            paths: &[CHAT, EMBEDDINGS, "/responses"],
            auth: BEARER,
        }),
        native_only: &[(At::Post(COMPLETIONS), "/{model}"), (At::Post(IMAGES), "/{model}")],
        ..bearer("workers-ai", "https://api.cloudflare.com/client/v4/accounts/{workers_ai_account_id}/ai/run", "")
    },
    bearer("moonshot", "https://api.moonshot.cn", "/v1"),
    Spec {
        headers: &[fixed("http-referer", "https://portkey.ai/"), fixed("x-title", "portkey")],
        ..bearer("openrouter", "https://openrouter.ai/api", "/v1")
    },
    bearer("lingyi", "https://api.lingyiwanwu.com", "/v1"),
    bearer("zhipu", "https://open.bigmodel.cn/api/paas/v4", ""),
    bearer("novita-ai", "https://api.novita.ai/openai", "/v1"),
    bearer("monsterapi", "https://llm.monsterapi.ai/v1", ""),
    // The balance and the beta endpoints stand beside `/v1`.
    Spec { branches: &[bare("/user"), bare("/beta")], ..bearer("deepseek", "https://api.deepseek.com", "/v1") },
    Spec {
        headers: &[fixed("accept", "application/json")],
        native_only: &[(At::Post(CHAT), "/{user}/deployments/v2/llms/{base_model}/v1/chat/completions")],
        ..bearer("predibase", "https://serving.app.predibase.com", "")
    },
    // The OpenAI frontend of a Triton server; a KServe port has `/generate`, which passes as any other path.
    Spec { auth: Auth::None, ..bearer("triton", CUSTOM_HOST, "") },
    bearer("voyage", "https://api.voyageai.com/v1", ""),
    Spec {
        headers: &[fixed("extra-parameters", "drop")],
        ..bearer("github", "https://models.github.ai/inference", "")
    },
    Spec {
        headers: &[from("deepbricks-organization", OpenAiOrganization), from("deepbricks-project", OpenAiProject)],
        fields_in_headers: false,
        ..bearer("deepbricks", "https://api.deepbricks.ai/v1", "")
    },
    Spec {
        native_only: &[(At::Post(IMAGES), "/{model}/text-to-image")],
        ..bearer("siliconflow", "https://api.siliconflow.cn/v1", "")
    },
    Spec {
        compat: Some(Compat { base: "https://router.huggingface.co/v1", paths: &[CHAT, "/models"], auth: BEARER }),
        branches: &[away("/models", "/models", "https://api-inference.huggingface.co")],
        native_only: &[(At::Post(COMPLETIONS), "/models/{model}/v1/completions")],
        base_url_field: Some(HuggingfaceBaseUrl),
        ..bearer("huggingface", "https://router.huggingface.co/v1", "")
    },
    Spec {
        headers: &[fixed("user-agent", "Portkey Gateway/1.0")],
        ..bearer("cerebras", "https://api.cerebras.ai/v1", "")
    },
    bearer("inference-net", "https://api.inference.net/v1", ""),
    bearer("sambanova", "https://api.sambanova.ai", "/v1"),
    bearer("lemonfox-ai", "https://api.lemonfox.ai/v1", ""),
    bearer("upstage", "https://api.upstage.ai/v1", ""),
    bearer("lambda", "https://api.lambdalabs.com/v1", ""),
    bearer("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ""),
    bearer("x-ai", "https://api.x.ai/v1", ""),
    Spec {
        headers: &[fixed("content-type", "application/json"), fixed("accept", "application/json, text/event-stream")],
        compat: Some(Compat {
            base: "https://{snowflake_account}.snowflakecomputing.com/api/v2/cortex/v1",
            paths: &[CHAT, "/messages"],
            auth: BEARER,
        }),
        // Snowflake tells the kind of a token by looking at it, unless the caller says it.
        passes: &["x-snowflake-authorization-token-type"],
        ..bearer("cortex", "https://{snowflake_account}.snowflakecomputing.com/api/v2", "")
    },
    bearer("nebius", "https://api.studio.nebius.ai/v1", ""),
    bearer("recraft-ai", "https://external.api.recraft.ai/v1", ""),
    native("milvus", CUSTOM_HOST, ""),
    native("replicate", "https://api.replicate.com/v1", ""),
    Spec { auth: Auth::Header("x-portkey-api-key", ""), ..bearer("portkey", "https://api.portkey.ai/v1", "") },
    Spec { branches: &[bare("/api")], ..bearer("lepton", "https://api.lepton.ai", "/api/v1") },
    bearer("kluster-ai", "https://api.kluster.ai/v1", ""),
    bearer("nscale", "https://inference.api.nscale.com/v1", ""),
    Spec {
        native_only: &[(At::Post(IMAGES), "/image/generation")],
        ..bearer("hyperbolic", "https://api.hyperbolic.xyz", "/v1")
    },
    Spec {
        auth: Auth::Header("authorization", "Key "),
        headers: &[fixed("user-agent", concat!("portkey/", env!("CARGO_PKG_VERSION")))],
        compat: Some(Compat { base: "https://api.bytez.com/models/v2/openai/v1", paths: &[CHAT], auth: BEARER }),
        ..bearer("bytez", "https://api.bytez.com", "")
    },
    bearer("featherless-ai", "https://api.featherless.ai/v1", ""),
    bearer("krutrim", "https://cloud.olakrutrim.com/v1", ""),
    // Qdrant documents the bare key.
    Spec { auth: Auth::Header("api-key", ""), ..native("qdrant", CUSTOM_HOST, "") },
    bearer("302ai", "https://api.302.ai", "/v1"),
    bearer("cometapi", "https://api.cometapi.com/v1", ""),
    bearer("matterai", "https://api.matterai.so/v1", ""),
    Spec {
        branches: &[Branch {
            at: At::With("text-to-3d"),
            to: "",
            base: Some("https://api.meshy.ai/openapi/v2"),
            flag: None,
            given: None,
        }],
        ..native("meshy", "https://api.meshy.ai/openapi/v1", "")
    },
    native("tripo3d", "https://api.tripo3d.ai/v2/openapi", ""),
    bearer("nextbit", "https://api.nextbit256.com/v1", ""),
    Spec { optional: true, passes: &["modal-key", "modal-secret"], ..bearer("modal", CUSTOM_HOST, "") },
    bearer("z-ai", "https://api.z.ai/api/paas/v4", ""),
    bearer("iointelligence", "https://api.intelligence.io.solutions/api/v1", ""),
    bearer("aibadgr", "https://aibadgr.com/api/v1", ""),
    bearer("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", ""),
    Spec { optional: true, ..bearer("byollm", CUSTOM_HOST, "") },
    Spec { optional: true, ..bearer("localai", CUSTOM_HOST, "") },
    Spec {
        auth: Auth::Header("authorization", "Token "),
        native_only: &[(At::Post("/audio/transcriptions"), "/listen"), (At::Post("/audio/speech"), "/speak")],
        ..native("deepgram", "https://api.deepgram.com/v1", "")
    },
    Spec { optional: true, ..bearer("passthrough", CUSTOM_HOST, "") },
    Spec {
        branches: &[
            invoked(CHAT),
            invoked(COMPLETIONS),
            invoked(EMBEDDINGS),
            // What is no model's: jobs, clusters, endpoints themselves.
            bare("/api"),
            bare("/serving-endpoints"),
            bare("/ai-gateway"),
            away(
                "/messages",
                "/messages",
                "https://{databricks_workspace}.cloud.databricks.com/ai-gateway/anthropic/v1",
            ),
        ],
        ..bearer("databricks", "https://{databricks_workspace}.cloud.databricks.com", "/ai-gateway/mlflow/v1")
    },
    bearer("byteplus", "https://ark.{byteplus_region!-1=ap-southeast-1}.bytepluses.com/api/v3", ""),
    Spec {
        auth: KEY,
        compat: Some(Compat { base: "https://fal.run/openrouter/router/openai/v1", paths: &[CHAT], auth: KEY }),
        native_only: &[(At::Post(IMAGES), "/{model}")],
        ..bearer("fal-ai", "https://fal.run", "")
    },
    Spec { optional: true, ..bearer("vllm", CUSTOM_HOST, "") },
];

/// `authorization: Key …`.
const KEY: Auth = Auth::Header("authorization", "Key ");

/// A question to the serving endpoint that the request names.
const fn invoked(path: &'static str) -> Branch {
    Branch {
        at: At::Post(path),
        to: "/invocations",
        base: Some(
            "https://{databricks_workspace}.cloud.databricks.com/serving-endpoints/{databricks_serving_endpoint_name}",
        ),
        flag: None,
        given: Some(DatabricksServingEndpointName),
    }
}
