//! Why a request got no answer of AWS's. The SDK tells it as a chain of errors, in words for its developers; here it is what a
//! user can do something about.

use std::fmt;

use super::error::ErrorClass;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nothing that the SDK looks at has credentials.
    NoCredentials,
    /// The profile lacks something, in the SDK's words.
    Profile(String),
    /// A session of IAM Identity Center (SSO) is over, or has not begun.
    SignedOut,
    /// The program that is to give credentials failed.
    CredentialProcess,
    /// Credentials could not be fetched, for this reason.
    Credentials(String),
    /// The host has no address.
    NoAddress,
    /// The connection was refused, or not made in time.
    NoConnection,
    /// The proxy that the environment names did not make a connection.
    Proxy,
    /// The certificate is not one that this machine trusts.
    Certificate,
    /// What answers does not speak TLS.
    NotTls,
    /// No answer came in time.
    TooLate,
    /// The connection broke, or the answer is not whole.
    Broken,
    /// The answer is not one of AWS's, but of some other program's.
    Foreign,
    /// The request could not be made, for this reason.
    Unsent(String),
}

use Unanswered::*;

impl Unanswered {
    /// By the texts of the SDK's errors, outermost first. `answered`: something did answer; `late`: the SDK gave up waiting.
    pub(super) fn of(causes: &[String], answered: bool, late: bool) -> Self {
        let all = causes.join(": ");
        let has = |text: &str| all.contains(text);
        let last = || causes.last().map(|cause| cause.trim().trim_end_matches('.').to_owned()).unwrap_or_default();
        if has("the credential provider was not enabled") {
            // "Profile: the credential provider was not enabled: …", one line of those of all providers.
            let profile = all.lines().find_map(|line| line.trim().strip_prefix("Profile: "));
            let reason =
                profile.and_then(|line| line.split_once("enabled: ")).map(|(_, reason)| reason.replace('`', ""));
            return reason.map_or(NoCredentials, Profile);
        }
        let of_credentials = has("credential") || has("access token");
        match () {
            () if of_credentials && (has("SSO") || has("access token") || has("UnauthorizedException")) => SignedOut,
            () if of_credentials && has("external process") => CredentialProcess,
            () if of_credentials => Credentials(last()),
            () if answered => Foreign,
            () if has("dns error") => NoAddress,
            () if has("tunnel error") || has("proxy") => Proxy,
            () if has("certificate") => Certificate,
            () if has("TLS") => NotTls,
            () if has("(Connect)") || has("connect error") || has("connect timeout") => NoConnection,
            () if late => TooLate,
            () if has("dispatch failure") || has("response") => Broken,
            () => Unsent(last()),
        }
    }

    /// What callers can do about it.
    pub(super) fn class(&self) -> ErrorClass {
        match self {
            NoCredentials | Profile(_) | SignedOut | CredentialProcess | Credentials(_) => ErrorClass::Refused,
            NoAddress | NoConnection | Proxy | Certificate | NotTls | TooLate | Broken => ErrorClass::Unreachable,
            Foreign => ErrorClass::Unsupported,
            Unsent(_) => ErrorClass::Other,
        }
    }

    /// What to do about it. `endpoint`: where the request went, if not to AWS.
    pub(super) fn hint(&self, endpoint: Option<&str>) -> String {
        let rehearse = "add --local to rehearse without AWS";
        match (self, endpoint) {
            (NoCredentials, Some(_)) => {
                "any will do for an emulator: `export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local`".to_owned()
            }
            (NoCredentials, None) => {
                format!(
                    "set a profile up with `aws configure sso` or `aws configure` and name it with --profile, or {rehearse}"
                )
            }
            (Profile(_), _) => format!("correct it in ~/.aws/config, name another with --profile, or {rehearse}"),
            (SignedOut, _) => format!("sign in with `aws sso login`, or {rehearse}"),
            (CredentialProcess, _) => "run the profile's credential_process by hand to see why".to_owned(),
            (Credentials(_), _) => "check with `aws sts get-caller-identity`".to_owned(),
            (NoAddress, None) => "check the network, and that --region names one of AWS's regions".to_owned(),
            (Proxy, _) => "check HTTPS_PROXY and HTTP_PROXY; NO_PROXY names hosts that are reached without".to_owned(),
            (Certificate, _) => {
                "if a proxy inspects TLS, name the file with its certificate authority in SSL_CERT_FILE".to_owned()
            }
            (NotTls, Some(url)) => format!("if it speaks plain HTTP, write {}", url.replacen("https://", "http://", 1)),
            (NoConnection, Some(url)) if is_loopback(url) => format!(
                "no local cloud is running at {url}: start it with `zonewalk up --local`, or `zonewalk local serve`"
            ),
            (Foreign, Some(url)) => {
                format!("check that LocalStack, moto or `zonewalk local serve` is what answers at {url}")
            }
            (_, Some(url)) => format!("check that {url} can be reached: `curl {url}`"),
            (Unsent(_), None) => "check --region and --profile".to_owned(),
            (_, None) => "check the network and repeat the command".to_owned(),
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoCredentials => {
                "no AWS credentials found (looked at the environment, the profile, web identity, the container, the instance)"
            }
            Profile(reason) => return write!(f, "the profile gives no credentials: {reason}"),
            SignedOut => "the profile's SSO session has expired, or has not begun",
            CredentialProcess => "the profile's credential_process failed",
            Credentials(reason) => return write!(f, "the credentials could not be fetched: {reason}"),
            NoAddress => "the host has no address (DNS)",
            NoConnection => "no connection could be made",
            Proxy => "the proxy that the environment names made no connection",
            Certificate => "the certificate that was shown is not trusted on this machine",
            NotTls => "no encrypted connection could be made: what answers does not speak TLS",
            TooLate => "no answer came in time",
            Broken => "the connection broke before the whole answer had come",
            Foreign => "the answer is not AWS's",
            Unsent(reason) => return write!(f, "the request could not be made: {reason}"),
        })
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.split("://").last().unwrap_or_default();
    ["127.", "localhost", "[::1]"].iter().any(|loopback| host.starts_with(loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of the SDK's errors, as met.
    #[test]
    fn the_sdks_errors_are_told_apart() {
        let io = "dispatch failure: io error: client error (Connect): ";
        let loading = "dispatch failure: other: an error occurred while loading credentials: ";
        let none = "no providers in chain provided credentials\n  Environment: the credential provider was not enabled: \
                    environment variable not set\n  Profile: the credential provider was not enabled\n  EcsContainer: the \
                    credential provider was not enabled: ECS provider not configured";
        let chain = none.replace("enabled\n", "enabled: profile `missing` was not defined: could not find it\n");
        for (text, reason) in [
            (format!("{loading}{none}"), NoCredentials),
            (format!("{loading}{chain}"), Profile("profile missing was not defined: could not find it".to_owned())),
            (
                format!(
                    "{loading}an error occurred while loading an access token: failed to load the cached SSO token"
                ),
                SignedOut,
            ),
            (
                format!("{loading}Error retrieving credentials: external process exited with code exit status: 1"),
                CredentialProcess,
            ),
            (format!("{io}dns error: failed to lookup address information"), NoAddress),
            (format!("{io}tcp connect error: Connection refused (os error 111)"), NoConnection),
            (format!("{io}tunnel error: unsuccessful"), Proxy),
            (format!("{io}TLS handshake failed: invalid peer certificate: UnknownIssuer"), Certificate),
            (format!("{io}TLS handshake failed: received corrupt message of type InvalidContentType"), NotTls),
            ("dispatch failure: io error: client error (SendRequest): connection closed".to_owned(), Broken),
        ] {
            let causes: Vec<String> = text.split(": ").map(str::to_owned).collect();
            let told = Unanswered::of(&causes, false, false);
            assert_eq!(told, reason, "{text}");
            for said in [told.to_string(), told.hint(None)] {
                for word in ["dispatch", "provider", "os error", "Error"] {
                    assert!(!said.contains(word), "{said}");
                }
            }
        }
    }

    #[test]
    fn an_emulator_that_is_not_there_is_told_by_where_it_should_be() {
        let local = NoConnection.hint(Some("http://127.0.0.1:4566"));
        assert!(local.contains("no local cloud is running at http://127.0.0.1:4566"), "{local}");
        let elsewhere = NoConnection.hint(Some("http://moto.test:5000"));
        assert_eq!(elsewhere, "check that http://moto.test:5000 can be reached: `curl http://moto.test:5000`");
        assert_eq!(NotTls.hint(Some("https://127.0.0.1:1")), "if it speaks plain HTTP, write http://127.0.0.1:1");
    }
}
