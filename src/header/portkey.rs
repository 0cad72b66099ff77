//! The names of Portkey's headers, and what they are called in a config object.

macro_rules! portkey_headers {
    ($($(#[$doc:meta])* $variant:ident = $suffix:literal $(| $alias:literal)* $(, $field:literal)?;)+) => {
        /// One header of Portkey's, without its prefix. Names of a provider's group also have a name in config objects
        /// ([`field`](PortkeyHeader::field)).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum PortkeyHeader {
            $(
                $(#[$doc])*
                #[doc = concat!("`x-portkey-", $suffix, "`", $("; `", $field, "` in a config object",)? ".")]
                $variant,
            )+
        }

        impl PortkeyHeader {
            /// Every header there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The header whose name is [`PREFIX`](super::PREFIX) and `suffix` (lower case).
            #[must_use]
            pub fn from_suffix(suffix: &str) -> Option<Self> {
                match suffix {
                    $($suffix $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// What follows [`PREFIX`](super::PREFIX).
            #[must_use]
            pub const fn suffix(self) -> &'static str {
                match self {
                    $(Self::$variant => $suffix,)+
                }
            }

            /// The header of the config object's member `name`.
            #[must_use]
            pub fn from_field(name: &str) -> Option<Self> {
                $($(if name == $field { return Some(Self::$variant); })?)+
                None
            }

            /// The name in a config object, for the headers that have one.
            #[must_use]
            pub const fn field(self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some($field),)?)+
                    _ => None,
                }
            }
        }
    };
}

portkey_headers! {
    ApiKey = "api-key";
    Provider = "provider";
    Config = "config";
    VirtualKey = "virtual-key";
    CustomHost = "custom-host";
    ForwardHeaders = "forward-headers";
    SensitiveHeaders = "sensitive-headers";
    RequestTimeout = "request-timeout";
    TraceId = "trace-id";
    SpanId = "span-id";
    SpanName = "span-name";
    ParentSpanId = "parent-span-id";
    Metadata = "metadata";
    StrictOpenAiCompliance = "strict-open-ai-compliance" | "strict-openai-compliance";
    Cache = "cache";
    CacheTtl = "cache-ttl";
    CacheForceRefresh = "cache-force-refresh";
    CacheNamespace = "cache-namespace";
    RetryCount = "retry-count";
    Debug = "debug";
    Mode = "mode";
    FetchIntegratedModels = "fetch-integrated-models";
    ModelsEndpoint = "models-endpoint";
    Beta = "beta";
    NitroMode = "nitro-mode";
    Workspace = "workspace";
    RefreshPromptCache = "refresh-prompt-cache";
    PackageVersion = "package-version";
    Runtime = "runtime";
    RuntimeVersion = "runtime-version";
    IgnoreServiceLog = "ignore-service-log";
    OverrideServiceLogUsage = "override-service-log-usage";
    AudioFileDuration = "audio-file-duration";
    FilePurpose = "file-purpose";
    FileUploadSize = "file-upload-size", "fireworks_file_length";
    ModelType = "model-type";
    DangerouslyAllowBrowser = "dangerously-allow-browser";

    AzureResourceName = "azure-resource-name", "resource_name";
    AzureDeploymentId = "azure-deployment-id", "deployment_id";
    AzureApiVersion = "azure-api-version", "api_version";
    AzureAdToken = "azure-ad-token", "azure_ad_token";
    AzureAuthMode = "azure-auth-mode", "azure_auth_mode";
    AzureManagedClientId = "azure-managed-client-id", "azure_managed_client_id";
    AzureWorkloadClientId = "azure-workload-client-id", "azure_workload_client_id";
    AzureEntraClientId = "azure-entra-client-id", "azure_entra_client_id";
    AzureEntraClientSecret = "azure-entra-client-secret", "azure_entra_client_secret";
    AzureEntraTenantId = "azure-entra-tenant-id", "azure_entra_tenant_id";
    AzureEntraScope = "azure-entra-scope", "azure_entra_scope";
    AzureModelName = "azure-model-name", "azure_model_name";
    AzureEndpointName = "azure-endpoint-name", "azure_endpoint_name";
    AzureFoundryUrl = "azure-foundry-url", "azure_foundry_url";
    AzureExtraParameters = "azure-extra-parameters" | "azure-extra-params", "azure_extra_parameters";
    AzureDeploymentName = "azure-deployment-name", "azure_deployment_name";
    AzureDeploymentType = "azure-deployment-type", "azure_deployment_type";
    AzureRegion = "azure-region", "azure_region";
    OpenAiBeta = "openai-beta", "openai_beta";
    OpenAiOrganization = "openai-organization", "openai_organization";
    OpenAiProject = "openai-project", "openai_project";
    AwsAccessKeyId = "aws-access-key-id", "aws_access_key_id";
    AwsSecretAccessKey = "aws-secret-access-key", "aws_secret_access_key";
    AwsSessionToken = "aws-session-token", "aws_session_token";
    AwsRegion = "aws-region", "aws_region";
    AwsAuthType = "aws-auth-type", "aws_auth_type";
    AwsRoleArn = "aws-role-arn", "aws_role_arn";
    AwsExternalId = "aws-external-id", "aws_external_id";
    AwsService = "aws-service", "aws_service";
    AwsS3Bucket = "aws-s3-bucket", "aws_s3_bucket";
    AwsS3ObjectKey = "aws-s3-object-key", "aws_s3_object_key";
    AwsBedrockModel = "aws-bedrock-model", "aws_bedrock_model";
    AmzServerSideEncryption = "amz-server-side-encryption", "aws_server_side_encryption";
    AmzServerSideEncryptionKmsKeyId = "amz-server-side-encryption-aws-kms-key-id", "aws_server_side_encryption_kms_key_id";
    SagemakerCustomAttributes = "amzn-sagemaker-custom-attributes", "amzn_sagemaker_custom_attributes";
    SagemakerTargetModel = "amzn-sagemaker-target-model", "amzn_sagemaker_target_model";
    SagemakerTargetVariant = "amzn-sagemaker-target-variant", "amzn_sagemaker_target_variant";
    SagemakerTargetContainerHostname = "amzn-sagemaker-target-container-hostname", "amzn_sagemaker_target_container_hostname";
    SagemakerInferenceId = "amzn-sagemaker-inference-id", "amzn_sagemaker_inference_id";
    SagemakerEnableExplanations = "amzn-sagemaker-enable-explanations", "amzn_sagemaker_enable_explanations";
    SagemakerInferenceComponent = "amzn-sagemaker-inference-component", "amzn_sagemaker_inference_component";
    SagemakerSessionId = "amzn-sagemaker-session-id", "amzn_sagemaker_session_id";
    SagemakerModelName = "amzn-sagemaker-model-name", "amzn_sagemaker_model_name";
    AnthropicBeta = "anthropic-beta", "anthropic_beta";
    AnthropicVersion = "anthropic-version", "anthropic_version";
    AnthropicAwsWorkspaceId = "anthropic-aws-workspace-id", "anthropic_aws_workspace_id";
    VertexProjectId = "vertex-project-id", "vertex_project_id";
    VertexRegion = "vertex-region", "vertex_region";
    VertexStorageBucketName = "vertex-storage-bucket-name", "vertex_storage_bucket_name";
    VertexServiceAccountJson = "vertex-service-account-json", "vertex_service_account_json";
    VertexAuthType = "vertex-auth-type", "vertex_auth_type";
    VertexSkipPtuCostAttribution = "vertex-skip-ptu-cost-attribution", "vertex_skip_ptu_cost_attribution";
    ProviderFileName = "provider-file-name", "filename";
    ProviderModel = "provider-model", "vertex_model_name";
    ProviderBatchEndpoint = "provider-batch-endpoint", "vertex_batch_endpoint";
    WorkersAiAccountId = "workers-ai-account-id", "workers_ai_account_id";
    HuggingfaceBaseUrl = "huggingface-base-url", "huggingface_base_url";
    FireworksAccountId = "fireworks-account-id", "fireworks_account_id";
    SnowflakeAccount = "snowflake-account", "snowflake_account";
    OracleApiVersion = "oracle-api-version", "oracle_api_version";
    OracleVersion = "oracle-version", "oracle_version";
    OracleRegion = "oracle-region", "oracle_region";
    OracleCompartmentId = "oracle-compartment-id", "oracle_compartment_id";
    OracleServingMode = "oracle-serving-mode", "oracle_serving_mode";
    OracleTenancy = "oracle-tenancy", "oracle_tenancy";
    OracleUser = "oracle-user", "oracle_user";
    OracleFingerprint = "oracle-fingerprint", "oracle_fingerprint";
    OraclePrivateKey = "oracle-private-key", "oracle_private_key";
    OracleKeyPassphrase = "oracle-key-passphrase", "oracle_key_passphrase";
    StabilityClientId = "stability-client-id", "stability_client_id";
    StabilityClientUserId = "stability-client-user-id", "stability_client_user_id";
    StabilityClientVersion = "stability-client-version", "stability_client_version";
    MistralFimCompletion = "mistral-fim-completion", "mistral_fim_completion";
    DatabricksWorkspace = "databricks-workspace", "databricks_workspace";
    DatabricksServingEndpointName = "databricks-serving-endpoint-name", "databricks_serving_endpoint_name";
    ByteplusRegion = "byteplus-region", "byteplus_region";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::INTERNAL;

    #[test]
    fn every_name_finds_itself() {
        for header in PortkeyHeader::ALL {
            assert_eq!(PortkeyHeader::from_suffix(header.suffix()), Some(*header));
            if let Some(field) = header.field() {
                assert_eq!(PortkeyHeader::from_field(field), Some(*header), "{field}");
            }
            assert!(!INTERNAL.contains(&header.suffix()));
        }
        assert_eq!(PortkeyHeader::from_suffix("strict-openai-compliance"), Some(PortkeyHeader::StrictOpenAiCompliance));
    }
}
