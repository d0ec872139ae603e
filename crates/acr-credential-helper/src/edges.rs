//! Which edge carries an operation out: the cluster, the cloud, or a file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use acr_alibaba::{ADD_ON_TOKEN_MEMBER, Client, decode_add_on_token};
use acr_cluster::Cluster;
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::Operation;
use acr_credentials::secret_data::ACCESS_KEY_MEMBERS;
use acr_credentials::{CallFailure, FailureKind, Reply, SecretData};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::handed_over::{HandedOver, mounted, read_if_there};
use crate::observer::Observer;

/// Everything that the program reaches.
pub(crate) struct Edges {
    pub(crate) cluster: Cluster,
    pub(crate) cloud: Client,
    pub(crate) token_file: PathBuf,
    pub(crate) handed_over: HandedOver,
    /// Where nothing is to be written: who answers instead.
    pub(crate) observer: Option<Observer>,
}

impl Edges {
    /// Carries `operation` out. Ends within the time that the Lease leaves.
    pub(crate) async fn carry_out(&self, operation: Operation) -> Answer {
        if let Some(answer) = self.observer.as_ref().and_then(|observer| observer.answer(&operation)) {
            return answer;
        }
        match operation {
            Operation::Ask { call, signing_offset_millis, deadline } => {
                Answer::Cloud(self.cloud.carry_out(call, signing_offset_millis, deadline).await)
            }
            Operation::ReadTokenFile => read_token(&self.token_file).await,
            Operation::ReadRegisteredKey => self.registered_key().await,
            Operation::ReadAddOnToken => self.add_on_token().await,
            Operation::MakeCertificate { host, begins, ends } => {
                match acr_server::make_certificate(&host, begins, ends) {
                    Ok(made) => Answer::Certificate(Box::new(made)),
                    Err(error) => Answer::Refused(Refusal::Unknown {
                        message: format!("no certificate can be made for {host}: {error}"),
                    }),
                }
            }
            operation => self.cluster.carry_out(operation).await,
        }
    }

    async fn registered_key(&self) -> Answer {
        let HandedOver { registered_folder, registered_secret, .. } = &self.handed_over;
        let data = match mounted(registered_folder, &ACCESS_KEY_MEMBERS).await {
            Ok(None) => self.secret(registered_secret.as_deref()).await,
            mounted => mounted,
        };
        match data.map(|data| data.unwrap_or_default().access_key()) {
            Ok(Ok(key)) => Answer::Key(key),
            Ok(Err(failure)) => heard(Err(CallFailure::new(
                "RegisteredKey",
                FailureKind::Malformed,
                format!("the keys of the registered cluster cannot be used: {failure}"),
            ))),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn add_on_token(&self) -> Answer {
        let HandedOver { add_on_file, add_on_secret, .. } = &self.handed_over;
        let document = match read_if_there(add_on_file).await {
            Ok(None) => {
                let data = self.secret(add_on_secret.as_deref()).await;
                let member = |data: &SecretData| data.member(ADD_ON_TOKEN_MEMBER).map(<[u8]>::to_vec);
                data.map(|data| data.as_ref().and_then(member).map(Zeroizing::new))
            }
            document => document,
        };
        match document {
            Ok(Some(document)) => {
                let token = decode_add_on_token(&document).map_err(CallFailure::from);
                heard(token.map(|token| Reply::Credentials {
                    key: token.key,
                    expires: token.expires,
                    principal: String::new(),
                }))
            }
            Ok(None) => heard(Err(no_add_on_token(add_on_file, add_on_secret.as_deref()))),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// A Secret in our own namespace, where one is given.
    async fn secret(&self, name: Option<&str>) -> Result<Option<SecretData>, Refusal> {
        match name {
            Some(name) => self.cluster.read_secret(name).await,
            None => Ok(None),
        }
    }
}

/// As if the cloud had said it, without a clock.
fn heard(outcome: Result<Reply, CallFailure>) -> Answer {
    Answer::Cloud(acr_credentials::Answer { cloud_time: None, outcome })
}

fn no_add_on_token(file: &Path, secret: Option<&str>) -> CallFailure {
    let file = file.display();
    let message = match secret {
        Some(secret) => {
            format!("there is no file {file}, and no {ADD_ON_TOKEN_MEMBER} in a Secret {secret}")
        }
        None => format!("there is no file {file}, and no --add-on-token-secret is given"),
    };
    CallFailure::new("AddOnToken", FailureKind::NotFound, message)
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
