//! Which edge carries an operation out: the cluster, the cloud, or the token file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_alibaba::Client;
use acr_cluster::Cluster;
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::Operation;
use acr_controller::{LEASE_DEADLINE, LEASE_DURATION};
use secrecy::{ExposeSecret, SecretString};

/// How long a call to the cloud may take, so that it ends before somebody else can take the Lease.
const CLOUD_DEADLINE: Duration = LEASE_DURATION.saturating_sub(LEASE_DEADLINE);

/// Everything that the program reaches.
pub(crate) struct Edges {
    pub(crate) cluster: Cluster,
    pub(crate) cloud: Client,
    pub(crate) token_file: PathBuf,
}

impl Edges {
    /// Carries `operation` out. Ends within the time that the Lease leaves.
    pub(crate) async fn carry_out(&self, operation: Operation) -> Answer {
        match operation {
            Operation::Ask { call, signing_offset_millis } => {
                Answer::Cloud(self.cloud.carry_out(call, signing_offset_millis, CLOUD_DEADLINE).await)
            }
            Operation::ReadTokenFile => read_token(&self.token_file).await,
            operation => self.cluster.carry_out(operation).await,
        }
    }
}

/// Reads the projected token anew each time: the kubelet replaces it long before it ends.
async fn read_token(path: &Path) -> Answer {
    let unusable = |reason: String| {
        Answer::Refused(Refusal::Unknown { message: format!("the token file {}: {reason}", path.display()) })
    };
    match tokio::fs::read_to_string(path).await {
        Ok(text) => {
            let text = SecretString::from(text);
            let token = text.expose_secret().trim();
            if token.is_empty() {
                unusable("it is empty".to_owned())
            } else {
                Answer::Token(Some(token.into()))
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Answer::Token(None),
        // Not UTF-8: the error quotes nothing of the content.
        Err(error) => unusable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn token_of(content: Option<&[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        match read_token(&path).await {
            Answer::Token(token) => format!("{:?}", token.map(|token| token.expose_secret().to_owned())),
            Answer::Refused(refusal) => refusal.label().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_token_file_that_is_not_there_is_no_failure() {
        assert_eq!(token_of(None).await, "None");
    }

    #[tokio::test]
    async fn a_token_file_without_a_token_is_a_failure() {
        assert_eq!(token_of(Some(b" \n")).await, "Unknown");
        assert_eq!(token_of(Some(b"\xff\xfe")).await, "Unknown");
    }

    #[tokio::test]
    async fn white_space_around_a_token_is_not_part_of_it() {
        assert_eq!(token_of(Some(b"ey.J.x\n")).await, r#"Some("ey.J.x")"#);
    }
}
