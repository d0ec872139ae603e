//! What a friendly cluster and cloud answer.

use std::collections::BTreeMap;

use acr_controller::admission::certificates::Generation;
use acr_controller::observation::{AccountSeen, Answer, JournalSeen, LeaseSeen, Observation, PullSecretSeen};
use acr_controller::operation::{ListChange, Operation, Precondition};
use acr_credentials::{
    AccessKey, Answer as CloudAnswer, Call, CallFailure, FailureKind, InstanceHost, Login, Reply,
};

use super::{HOST, ONE_ENTRY, Scenario, host_of};

impl Scenario {
    fn done(&mut self) -> Answer {
        Answer::Done { resource_version: self.version, uid: Some("uid".into()) }
    }

    /// Carries an operation out on the cluster.
    pub(super) fn carry_out(&mut self, operation: Operation) -> Answer {
        self.version += 1;
        match operation {
            Operation::ReadLease => Answer::Lease(self.lease.clone()),
            Operation::WriteLease(write) => {
                self.lease = Some(LeaseSeen {
                    uid: "lease".into(),
                    resource_version: self.version,
                    holder: write.holder,
                    duration_seconds: write.duration_seconds,
                    transitions: write.transitions,
                });
                Answer::Lease(self.lease.clone())
            }
            Operation::DeleteLease { .. } => {
                self.lease = None;
                self.done()
            }
            Operation::ReadJournal => {
                Answer::Journal(self.journal.as_ref().map(|(version, document)| JournalSeen {
                    uid: "uid".into(),
                    resource_version: *version,
                    document: document.clone().into(),
                }))
            }
            Operation::WriteJournal { precondition, document, .. } => {
                let expected = self.journal.as_ref().map(|(version, _)| *version);
                let found = match precondition {
                    Precondition::Absent => None,
                    Precondition::Exactly { resource_version, .. } => Some(resource_version),
                };
                assert_eq!(expected, found, "the journal is written over what it holds");
                self.journal = Some((self.version, document.to_vec()));
                self.done()
            }
            Operation::DeleteJournal => {
                self.journal = None;
                self.done()
            }
            Operation::PatchList { namespace, name, observed, change } => {
                self.patch((namespace, name), observed.as_deref(), change)
            }
            Operation::ReadForeignSecret { .. } => {
                Answer::ForeignSecret(self.foreign.clone().expect("scripted"))
            }
            Operation::ReadAccount { namespace, name } => {
                let list = self.lists[&(namespace.clone(), name.clone())].clone();
                let resource_version = self.version;
                Answer::Account(AccountSeen { namespace, name, resource_version, ignored: false, list })
            }
            Operation::ApplyPullSecret { namespace, payload, adopted, .. } => {
                self.adopted = adopted;
                let document = String::from_utf8(payload.document.to_vec()).unwrap();
                self.secrets.insert(namespace.clone(), document);
                self.digests.insert(namespace.clone(), payload.digest.clone());
                self.observe(Observation::PullSecret(PullSecretSeen {
                    namespace,
                    uid: "secret".into(),
                    resource_version: self.version,
                    labels: BTreeMap::from([(
                        "app.kubernetes.io/managed-by".into(),
                        "acr-credential-helper".into(),
                    )]),
                    annotations: BTreeMap::from([(
                        "acr-credential-helper/payload-digest".into(),
                        payload.digest,
                    )]),
                    data_owners: vec!["acr-credential-helper".into()],
                    terminating: false,
                }));
                self.done()
            }
            Operation::DeletePullSecret { namespace, .. } => {
                self.secrets.remove(&namespace);
                self.observe(Observation::PullSecretGone { namespace });
                self.done()
            }
            Operation::Ask { call, .. } => Answer::Cloud(self.ask(&call)),
            Operation::EvictPod { .. } | Operation::Report(_) => self.done(),
            Operation::ReadServer => Answer::Server(self.server.clone()),
            Operation::TryPolicy { .. } => Answer::Tried(self.trial.clone()),
            Operation::MakeCertificate { host, begins, ends } => Answer::Certificate(Box::new(Generation {
                host,
                authority: "[authority]".to_owned(),
                chain: "[chain]".to_owned(),
                key: "[key]".to_owned().into(),
                begins,
                ends,
            })),
            Operation::ApplyAdmission { object, content, .. } => {
                self.admission.insert(object, (self.version, content));
                self.show_admission_object(object);
                self.done()
            }
            Operation::DeleteAdmission { object, .. } => {
                self.admission.remove(&object);
                self.show_admission_object(object);
                self.done()
            }
            handed_over => self.hand_over(&handed_over),
        }
    }

    fn patch(&mut self, account: (String, String), observed: Option<&str>, change: ListChange) -> Answer {
        let list = self.lists.get_mut(&account).expect("it exists");
        assert_eq!(list.as_deref(), observed, "the guard holds");
        let mut elements: Vec<serde_json::Value> =
            list.as_deref().map_or(Vec::new(), |list| serde_json::from_str(list).unwrap());
        match change {
            _ if self.stripped == Some(true) => {
                return Answer::Done { resource_version: 0, uid: Some("uid".into()) };
            }
            _ if self.stripped.is_some() => {}
            ListChange::Create | ListChange::Append => {
                elements.push(serde_json::json!({"name": "acr-credential-secret-aggregation"}));
            }
            ListChange::Remove { place } => {
                elements.remove(place);
            }
        }
        *list = (!elements.is_empty()).then(|| serde_json::to_string(&elements).unwrap());
        if self.late {
            self.held.push(account);
        } else {
            self.show_account(&account.0, &account.1);
        }
        self.done()
    }

    /// What the cluster hands over for an identity.
    fn hand_over(&self, operation: &Operation) -> Answer {
        if let Some(answer) = self.handing_over.as_ref().and_then(|handing_over| handing_over(operation)) {
            return answer;
        }
        match operation {
            Operation::ReadTokenFile => Answer::Token(Some(self.token.clone().into())),
            Operation::ReadRegisteredKey => Answer::Key(self.registered.then(|| {
                let part = || "registered".to_owned().into();
                AccessKey { id: part(), secret: part(), security_token: None }
            })),
            Operation::ReadAddOnToken => {
                let absent = CallFailure::new("AddOnToken", FailureKind::NotFound, "there is no file");
                Answer::Cloud(CloudAnswer { cloud_time: None, outcome: Err(absent) })
            }
            other => panic!("not scripted: {other:?}"),
        }
    }

    fn ask(&mut self, call: &Call) -> CloudAnswer {
        if let Some(answer) = self.answering.as_ref().and_then(|answering| answering(call)) {
            return answer;
        }
        if let Some(kind) = self.cloud_fails {
            let failure = CallFailure {
                operation: call.operation(),
                kind,
                code: None,
                message: String::new(),
                request_id: None,
            };
            return CloudAnswer { cloud_time: Some(self.now().wall), outcome: Err(failure) };
        }
        if let Some(failure) = self.failing.as_ref().filter(|failing| failing.operation == call.operation()) {
            return CloudAnswer { cloud_time: Some(self.now().wall), outcome: Err(failure.clone()) };
        }
        let principal = match call {
            Call::WorkerRole { .. } => "acs:ram::1:role/worker".to_owned(),
            Call::AssumeRole { role_arn, session_name, .. }
            | Call::AssumeRoleWithOidc { role_arn, session_name, .. } => format!("{role_arn}/{session_name}"),
            _ => String::new(),
        };
        let reply = match call {
            Call::GetAuthorizationToken { .. } | Call::PersonalAuthorizationToken { .. } => {
                self.logins += 1;
                Reply::Login(Login {
                    username: "cr_temp_user".into(),
                    password: format!("password-{}", self.logins).into(),
                    expires: self.now().wall.plus_millis(3_600_000),
                })
            }
            Call::ListInstanceEndpoint { instance, .. } => {
                let host = if ONE_ENTRY.contains(instance) { HOST.to_owned() } else { host_of(instance) };
                Reply::Endpoints(vec![InstanceHost { host, enabled: true }])
            }
            Call::WorkerRole { .. } | Call::AssumeRoleWithOidc { .. } | Call::AssumeRole { .. } => {
                let part = || "session".to_owned().into();
                Reply::Credentials {
                    key: AccessKey { id: part(), secret: part(), security_token: Some(part()) },
                    expires: self.now().wall.plus_millis(3_600_000),
                    principal,
                }
            }
            // Sessions of STS are named when they are handed out: this one is the node's.
            Call::CallerIdentity { key, .. } if key.security_token.is_some() => {
                Reply::Identity("acs:ram::1:role/worker/i-1".to_owned())
            }
            Call::CallerIdentity { .. } => Reply::Identity("acs:ram::7:user/puller".to_owned()),
            Call::Region { .. } => Reply::Region("cn-hangzhou".to_owned()),
        };
        CloudAnswer { cloud_time: Some(self.now().wall), outcome: Ok(reply) }
    }
}
