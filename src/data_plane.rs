//! Who carries a walkthrough's traffic: the cloud itself, or a process on this machine in the place of an emulator's hosts.
//! Whatever differs between the two is asked here, and nowhere else.

use std::time::Duration;

use crate::local_traffic::client::Client;

pub use crate::local_traffic::client::Error;

/// The pause between two looks for trouble.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// The data plane of the cloud that a command speaks to.
#[derive(Clone, Debug, Default)]
pub enum DataPlane {
    /// AWS's or the local cloud's: its instances run tasks, its load balancer answers at its name, its SSM runs commands.
    #[default]
    Cloud,
    /// An emulator's, which has none: [`local_traffic`](crate::local_traffic) plays it.
    Played(Client),
}

impl DataPlane {
    /// Where requests to the load balancer at `url` are to be sent, once what is behind it is ready.
    pub async fn ingress(&self, url: String) -> Result<String, Error> {
        let Self::Played(client) = self else { return Ok(url) };
        let dns_name = url.trim_start_matches("http://").trim_end_matches('/');
        Ok(client.ingress(dns_name).await?.unwrap_or(url))
    }

    /// What the proxies have counted, as the script of `stats` prints it. None: SSM is to run the script on the instances.
    pub async fn stats(&self) -> Result<Option<String>, Error> {
        let Self::Played(client) = self else { return Ok(None) };
        client.stats().await.map(Some)
    }

    /// What had to be made up for: nothing of an emulator's gaps is hidden.
    pub async fn notes(&self) -> Result<Vec<String>, Error> {
        let Self::Played(client) = self else { return Ok(vec![]) };
        client.notes().await
    }

    /// Whether tasks are placed as their services' placement constraints say.
    pub fn heeds_constraints(&self) -> bool {
        matches!(self, Self::Cloud)
    }

    /// Ends the tasks that the cloud does not end by itself, before what they run on is taken from them.
    pub async fn drain(&self) -> Result<(), Error> {
        let Self::Played(client) = self else { return Ok(()) };
        client.drain().await
    }

    /// Lets tasks run, also after a [`DataPlane::drain`].
    pub async fn resume(&self) -> Result<(), Error> {
        let Self::Played(client) = self else { return Ok(()) };
        client.resume().await
    }

    /// Completes when no task can stay: then no wait for tasks comes to its end.
    pub async fn trouble(&self) -> Error {
        loop {
            match self {
                Self::Cloud => std::future::pending().await,
                Self::Played(client) => {
                    if let Ok(Some(trouble)) = client.trouble().await {
                        return Error::NotReady(trouble);
                    }
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Whether calls are checked against IAM's policies: an emulator refuses nobody.
    pub fn checks_permissions(&self) -> bool {
        matches!(self, Self::Cloud)
    }

    /// Whether the agents of the machine image run, so that its age matters.
    pub fn runs_agents(&self) -> bool {
        matches!(self, Self::Cloud)
    }
}
