//! Credentials that are exchanged for tokens: where that is asked for, the gateway's own identities, and what an entry of
//! Azure's or Google's has to hold.

use std::{env, fs};

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{
    Secret,
    context::{Deployment, EntraClient, ProviderId, ServiceAccount, TokenExchange, TokenSource, is_project},
    exchange::{AzureWorkload, GoogleIdentity},
    header::PortkeyHeader,
    host::{CustomHost, is_host_label},
};

use super::{error::Problem, file::File};

/// The addresses in `[upstream.base_url]` that are no provider's.
pub(super) const ADDRESSES: [&str; 4] = ["entra", "google-oauth", "azure-metadata", "google-metadata"];

/// Where tokens are asked for, in place of Microsoft's and Google's own addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) entra: Option<CustomHost>,
    pub(crate) google: Option<CustomHost>,
    pub(crate) azure_metadata: Option<CustomHost>,
    pub(crate) google_metadata: Option<CustomHost>,
}

impl Tokens {
    pub(super) fn read(file: &File) -> Result<Self, Problem> {
        let url = |name: &str| {
            let Some(url) = file.upstream.base_url.get(name) else { return Ok(None) };
            let host = CustomHost::operator(url.get_ref());
            let problem = |why: String| Problem::new(Some(url.span()), format!("upstream.base_url.{name}"), why);
            host.map(Some).map_err(|error| problem(error.to_string()))
        };
        let [entra, google, azure_metadata, google_metadata] = ADDRESSES.map(url);
        Ok(Self { entra: entra?, google: google?, azure_metadata: azure_metadata?, google_metadata: google_metadata? })
    }

    /// Those that are set, with their names.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'static str, &CustomHost)> {
        let all = [&self.entra, &self.google, &self.azure_metadata, &self.google_metadata];
        ADDRESSES.into_iter().zip(all).filter_map(|(name, url)| Some((name, url.as_ref()?)))
    }
}

/// The workload identity that Azure puts into the environment.
pub(crate) fn azure_workload() -> Result<AzureWorkload, String> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("the environment variable {name} is not set"));
    let (tenant, client) = (variable("AZURE_TENANT_ID")?, variable("AZURE_CLIENT_ID")?);
    let file = variable("AZURE_FEDERATED_TOKEN_FILE")?;
    let workload = AzureWorkload::new(&tenant, &client, file).map_err(|error| error.to_string())?;
    match env::var("AZURE_AUTHORITY_HOST") {
        Ok(url) => {
            let host = CustomHost::operator(&url).map_err(|error| format!("AZURE_AUTHORITY_HOST: {error}"))?;
            Ok(workload.with_authority(host))
        }
        Err(_) => Ok(workload),
    }
}

/// The gateway's own identity at Google: that of the file in `GOOGLE_APPLICATION_CREDENTIALS`, or else the machine's.
pub(crate) fn google_identity() -> Result<GoogleIdentity, String> {
    let Ok(path) = env::var("GOOGLE_APPLICATION_CREDENTIALS") else { return Ok(GoogleIdentity::metadata()) };
    let named = |why: String| format!("the file in GOOGLE_APPLICATION_CREDENTIALS: {why}");
    let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    GoogleIdentity::from_json(Secret::new(text)).map_err(|error| named(error.to_string()))
}

/// A deployment of Azure OpenAI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeploymentTable {
    alias: String,
    deployment_id: String,
    api_version: Option<String>,
    ai_model_name: Option<String>,
    #[serde(default)]
    is_default: bool,
}

/// The deployments of an entry, where it is one of Azure OpenAI.
pub(super) fn deployments(
    tables: &Spanned<Vec<DeploymentTable>>,
    provider: &ProviderId,
) -> Result<Vec<Deployment>, String> {
    let tables = tables.get_ref();
    if provider.as_str() != "azure-openai" {
        return Err("only azure-openai has deployments".to_owned());
    }
    if tables.iter().filter(|table| table.is_default).count() > 1 {
        return Err("at most one is the default".to_owned());
    }
    let again = |(index, table): (usize, &DeploymentTable)| tables[..index].iter().any(|own| own.alias == table.alias);
    if tables.iter().enumerate().any(again) {
        return Err("every alias stands there once".to_owned());
    }
    let made = tables.iter().map(|table| {
        let own = Deployment::new(&table.alias, &table.deployment_id);
        let own = table.api_version.iter().fold(own, |own, version| own.with_api_version(version));
        let own = table.ai_model_name.iter().fold(own, |own, model| own.with_model(model));
        if table.is_default { own.as_default() } else { own }
    });
    Ok(made.collect())
}

/// The fields of an entry that say who shows what, and where.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(PortkeyHeader, Secret)>);

/// A field, and what is wrong with it.
type Wrong = (&'static str, String);

impl Fields {
    pub(super) fn note(&mut self, header: PortkeyHeader, value: &Secret) {
        // An empty field is none, as everywhere.
        if !value.expose().is_empty() {
            self.0.push((header, value.clone()));
        }
    }

    fn get(&self, header: PortkeyHeader) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == header).map(|(_, value)| value.expose())
    }

    /// Whether the entry has something to show. `api_key`: whether it holds a key beside these; `hosted`: whether it names
    /// a host of its own; `versions`: whether each of its deployments has a version, if it has any.
    pub(super) fn shows(
        &self,
        provider: &ProviderId,
        api_key: bool,
        hosted: bool,
        versions: bool,
    ) -> Result<bool, Wrong> {
        match provider.as_str() {
            "azure-openai" => {
                self.label(PortkeyHeader::AzureResourceName, !hosted)?;
                if self.get(PortkeyHeader::AzureApiVersion).is_none() && !versions {
                    return Err(("provider", "azure-openai needs an api_version".to_owned()));
                }
                self.azure(api_key)
            }
            "azure-ai" => {
                if self.get(PortkeyHeader::AzureFoundryUrl).is_none() && !hosted {
                    let why = "azure-ai needs an azure_foundry_url, or azure_deployment_type with its names";
                    self.get(PortkeyHeader::AzureDeploymentType).ok_or_else(|| ("provider", why.to_owned()))?;
                }
                self.azure(api_key)
            }
            "vertex-ai" => {
                self.label(PortkeyHeader::VertexRegion, true)?;
                self.vertex(api_key)
            }
            _ => Ok(false),
        }
    }

    fn azure(&self, api_key: bool) -> Result<bool, Wrong> {
        let has_secret = self.get(PortkeyHeader::AzureEntraClientSecret).is_some();
        let scope = self.get(PortkeyHeader::AzureEntraScope).unwrap_or(TokenExchange::AZURE_SCOPE);
        let client = |header| self.get(header).map(Into::into);
        let source = match self.get(PortkeyHeader::AzureAuthMode) {
            _ if self.get(PortkeyHeader::AzureAdToken).is_some() => return Ok(true),
            Some("entra") => self.entra()?,
            None if has_secret && !api_key => self.entra()?,
            None | Some("apiKey") => return Ok(api_key),
            Some("managed") => TokenSource::AzureManaged(client(PortkeyHeader::AzureManagedClientId)),
            Some("workload") => {
                azure_workload().map_err(|why| ("azure_auth_mode", format!("workload: {why}")))?;
                TokenSource::AzureWorkload(client(PortkeyHeader::AzureWorkloadClientId))
            }
            Some(_) => return Err(("azure_auth_mode", "is apiKey, entra, managed or workload".to_owned())),
        };
        let made = TokenExchange::new(source, scope);
        made.map(|_| true).map_err(|error| ("azure_auth_mode", error.to_string()))
    }

    fn entra(&self) -> Result<TokenSource, Wrong> {
        let part = |header: PortkeyHeader, name: &'static str| {
            self.get(header).ok_or_else(|| ("provider", format!("entra needs an {name}")))
        };
        let tenant = part(PortkeyHeader::AzureEntraTenantId, "azure_entra_tenant_id")?;
        let id = part(PortkeyHeader::AzureEntraClientId, "azure_entra_client_id")?;
        let secret = part(PortkeyHeader::AzureEntraClientSecret, "azure_entra_client_secret")?;
        let client = EntraClient::new(tenant, id, Secret::from(secret));
        client.map(TokenSource::Entra).map_err(|error| ("azure_entra_tenant_id", error.to_string()))
    }

    fn vertex(&self, api_key: bool) -> Result<bool, Wrong> {
        const FILE: &str = "vertex_service_account_json";
        let json = self.get(PortkeyHeader::VertexServiceAccountJson);
        let account = json.map(|json| ServiceAccount::parse(Secret::from(json))).transpose();
        let account = account.map_err(|error| (FILE, error.to_string()))?;
        let own = account.as_ref().and_then(ServiceAccount::project);
        let project = own.or_else(|| self.get(PortkeyHeader::VertexProjectId));
        let project = project.ok_or_else(|| ("provider", "vertex-ai needs a vertex_project_id".to_owned()))?;
        if !is_project(project) {
            return Err(("vertex_project_id", "is no project's id".to_owned()));
        }
        match (self.get(PortkeyHeader::VertexAuthType), account) {
            (None | Some("serviceAccount"), Some(_)) => Ok(true),
            (Some("serviceAccount"), None) => Err(("vertex_auth_type", format!("serviceAccount needs a {FILE}"))),
            (None | Some("accessToken"), _) => Ok(api_key),
            (Some("workload"), _) => {
                google_identity().map(|_| true).map_err(|why| ("vertex_auth_type", format!("workload: {why}")))
            }
            (Some(_), _) => Err(("vertex_auth_type", "is serviceAccount, accessToken or workload".to_owned())),
        }
    }

    fn label(&self, header: PortkeyHeader, required: bool) -> Result<(), Wrong> {
        let name = header.field().unwrap_or_default();
        match self.get(header) {
            Some(value) if !is_host_label(value) => {
                Err((name, "may hold letters, digits and inner hyphens only".to_owned()))
            }
            None if required => Err(("provider", format!("needs a {name}"))),
            _ => Ok(()),
        }
    }
}
