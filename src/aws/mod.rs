//! The AWS SDK's clients, made in one place from one configuration, so that where the calls go (AWS, an emulator, the
//! local cloud) is the endpoint alone and nothing above knows. Here too: what AWS's error codes mean ([`error`]) and
//! the names of zones.

mod attempts;
mod clock;
mod endpoint;
pub mod error;
mod profiles;
pub(crate) mod tags;
mod unanswered;
mod zones;

use std::sync::LazyLock;
use std::time::Duration;

use attempts::FailedAttempts;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use clock::Clock;
use error::{SdkResult, ServiceError};
use tracing::Instrument;

pub use error::{CloudError, ErrorClass};
pub use profiles::NoProfile;
pub use zones::{AzId, AzName, ZoneNames};

/// Which cloud is spoken to, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The region; without one, the environment's or the profile's.
    pub region: Option<String>,
    pub profile: Option<String>,
    /// The endpoint; without one, AWS itself.
    pub endpoint_url: Option<String>,
    pub credentials: CredentialSource,
    pub retries: Retries,
}

/// How often the SDK sends a request that was throttled, failed inside AWS or was not answered.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    pub attempts: u32,
    /// The longest pause before the second attempt; the later ones double.
    pub first_pause: Duration,
}

/// More attempts than the SDK's three, since a dozen resources polled at a time are throttled now and then; a shorter
/// first pause than its second, so that "nothing listens there" is said soon.
impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 5, first_pause: Duration::from_millis(250) }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialSource {
    /// Environment variables, `~/.aws`, SSO, roles: the AWS CLI's order.
    #[default]
    FromEnvironment,
    /// Made-up keys, for a local cloud: nothing of the environment and of `~/.aws` is read.
    Dummy,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum TargetError {
    #[error(
        "no AWS region is set: give --region, for example --region us-east-1, set AWS_REGION or name one in the profile, or add --local to rehearse without AWS"
    )]
    NoRegion,
    #[error(
        "{0:?} is not a URL for --endpoint-url: it begins with http:// or https://, for example http://127.0.0.1:4566"
    )]
    InvalidEndpoint(String),
    #[error(
        "this machine has no CA certificates to check AWS's certificate by: install them (Debian: apt-get install ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    NoCaCertificates,
    #[error(transparent)]
    NoProfile(#[from] NoProfile),
}

/// A client for each service the walkthrough uses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    pub region: String,
    /// The endpoint; none if it is AWS itself.
    pub endpoint_url: Option<String>,
    pub(crate) clock: Clock,
    pub autoscaling: aws_sdk_autoscaling::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub ecs: aws_sdk_ecs::Client,
    pub elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub freetier: aws_sdk_freetier::Client,
    pub iam: aws_sdk_iam::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub servicediscovery: aws_sdk_servicediscovery::Client,
    pub servicequotas: aws_sdk_servicequotas::Client,
    pub ssm: aws_sdk_ssm::Client,
    pub sts: aws_sdk_sts::Client,
}

impl Target {
    /// A local cloud, which takes any credentials.
    pub fn local(endpoint_url: &str, region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            profile: None,
            endpoint_url: Some(endpoint_url.to_owned()),
            credentials: CredentialSource::Dummy,
            retries: Retries::default(),
        }
    }

    pub async fn connect(&self) -> Result<Clients, TargetError> {
        if let Some(url) = &self.endpoint_url
            && !["http://", "https://"]
                .iter()
                .any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
        {
            return Err(TargetError::InvalidEndpoint(url.clone()));
        }
        if !self.is_plain_http() && !*HAS_CA_CERTIFICATES {
            return Err(TargetError::NoCaCertificates);
        }
        let config = match self.credentials {
            CredentialSource::FromEnvironment => {
                profiles::check(self.profile.as_deref())?;
                self.config_from_environment().await
            }
            CredentialSource::Dummy => self.config_with_dummy_credentials(),
        };
        Clients::new(&config)
    }

    fn is_plain_http(&self) -> bool {
        self.endpoint_url.as_ref().is_some_and(|url| url.starts_with("http://"))
    }

    async fn config_from_environment(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https_client())
            .retry_config(self.retry_config())
            .timeout_config(timeouts());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        loader.load().await
    }

    fn retry_config(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.retries.attempts)
            .with_initial_backoff(self.retries.first_pause)
            .with_max_backoff(Duration::from_secs(10))
    }

    /// Built by hand, since `aws_config`'s loader would read the environment for whatever is not given.
    fn config_with_dummy_credentials(&self) -> SdkConfig {
        let keys = Credentials::new("zonewalk", "zonewalk", None, None, "dummy");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(self.retry_config())
            .timeout_config(timeouts())
            .credentials_provider(SharedCredentialsProvider::new(keys));
        config.set_region(self.region.clone().map(Region::new));
        config.set_endpoint_url(self.endpoint_url.clone());
        // Without HTTP_PROXY, and without the host's certificates, which are loaded for each of the clients.
        config.set_http_client(Some(if self.is_plain_http() { Builder::new().build_http() } else { https_client() }));
        config.build()
    }
}

/// A filter of EC2's that finds what has one of these values.
pub(crate) fn ec2_filter<V: Into<String>>(
    name: &str,
    values: impl IntoIterator<Item = V>,
) -> aws_sdk_ec2::types::Filter {
    let values = values.into_iter().map(Into::into).collect();
    aws_sdk_ec2::types::Filter::builder().name(name).set_values(Some(values)).build()
}

/// Whether this machine has any certificates to check AWS's by.
static HAS_CA_CERTIFICATES: LazyLock<bool> =
    LazyLock::new(|| !rustls_native_certs::load_native_certs().certs.is_empty());

/// As the SDK's default client, with ring in the place of aws-lc: it heeds the proxies of the environment.
fn https_client() -> SharedHttpClient {
    // A dev build of the SDK takes a machine without certificates for a mistake, also where no TLS is to be spoken.
    let trusted = tls::TrustStore::empty().with_native_roots(*HAS_CA_CERTIFICATES);
    let context = tls::TlsContext::builder().with_trust_store(trusted).build().expect("a trust store is all it needs");
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_secs(120))
        .build()
}

impl Clients {
    fn new(config: &SdkConfig) -> Result<Self, TargetError> {
        let clock = Clock::default();
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(
                    $sdk::config::Builder::from(config).interceptor(clock.clone()).interceptor(FailedAttempts).build(),
                )
            };
        }
        Ok(Self {
            region: config.region().ok_or(TargetError::NoRegion)?.to_string(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
            autoscaling: client!(aws_sdk_autoscaling),
            cloudwatch: client!(aws_sdk_cloudwatch),
            ec2: client!(aws_sdk_ec2),
            ecs: client!(aws_sdk_ecs),
            elbv2: client!(aws_sdk_elasticloadbalancingv2),
            freetier: client!(aws_sdk_freetier),
            iam: client!(aws_sdk_iam),
            logs: client!(aws_sdk_cloudwatchlogs),
            servicediscovery: client!(aws_sdk_servicediscovery),
            servicequotas: client!(aws_sdk_servicequotas),
            ssm: client!(aws_sdk_ssm),
            sts: client!(aws_sdk_sts),
            clock,
        })
    }

    /// Awaits one request. `action` is its name as IAM spells it (`ecs:CreateCluster`): for the log, and for the error.
    ///
    /// The request goes to the heap before anything else: it takes kilobytes, and whatever holds it across an `await`,
    /// and what holds that, would grow by them.
    pub fn call<T, E: ServiceError>(
        &self,
        action: &'static str,
        request: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<T, CloudError>> {
        let request = Box::pin(request);
        let call = async move {
            let sent = tokio::time::Instant::now();
            match request.await {
                Ok(output) => {
                    tracing::debug!(took = ?sent.elapsed(), "done");
                    Ok(output)
                }
                Err(error) => {
                    let error = CloudError::from_sdk(action, self.endpoint_url.as_deref(), &error);
                    tracing::debug!(took = ?sent.elapsed(), %error, "failed");
                    Err(error)
                }
            }
        };
        call.instrument(tracing::debug_span!("call", action))
    }
}
