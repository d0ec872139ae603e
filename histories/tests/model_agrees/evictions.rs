//! Pods and their eviction on both servers: what a new pod gets, and what is answered in each state with each guard.

use acr_controller::observation::Answer;
use acr_controller::operation::Operation;
use acr_credentials::UnixMillis;
use acr_histories::api_server::{ApiServer, List, Made, OwnerKind, PodKey, Right, Template};
use acr_testbed::{ControlPlane, Part, apply_manifests};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::control_plane;
use crate::real::{OWN, Real};

const RIGHTS: &str = include_str!("../../../deploy/pod-help.example.yaml");
const SPACE: &str = "shop";

/// What both do, so that a step that nobody takes shows.
const EXPECTED: [&str; 21] = [
    r#"plain: Some(["x"])"#,
    r#"own: Some(["mine", "yours"])"#,
    "stranger: None",
    "Pending, OlderVersion: LostRace, ends: Some(false)",
    "Pending, OtherUid: LostRace, ends: Some(false)",
    "Pending, Right: done, ends: Some(true)",
    "CannotPull, OlderVersion: LostRace, ends: Some(false)",
    "CannotPull, OtherUid: LostRace, ends: Some(false)",
    "CannotPull, Right: done, ends: Some(true)",
    "Started, OlderVersion: LostRace, ends: Some(false)",
    "Started, OtherUid: LostRace, ends: Some(false)",
    "Started, Right: done, ends: Some(true)",
    "StartedBehindABudget, OlderVersion: Throttled, ends: Some(false)",
    "StartedBehindABudget, OtherUid: Throttled, ends: Some(false)",
    "StartedBehindABudget, Right: Throttled, ends: Some(false)",
    "Terminating, OlderVersion: LostRace, ends: Some(true)",
    "Terminating, OtherUid: LostRace, ends: Some(true)",
    "Terminating, Right: done, ends: Some(true)",
    "Gone, OlderVersion: Gone, ends: None",
    "Gone, OtherUid: Gone, ends: None",
    "Gone, Right: Gone, ends: None",
];

/// What has become of a pod when it is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    CannotPull,
    Started,
    StartedBehindABudget,
    Terminating,
    Gone,
}

/// What is said of the pod that is meant.
#[derive(Clone, Copy, Debug)]
enum Guard {
    Right,
    OlderVersion,
    OtherUid,
}

struct Both {
    model: ApiServer,
    real: Real,
    pods: Api<Pod>,
}

impl Both {
    async fn begin(control_plane: &ControlPlane, rights: bool) -> Self {
        let real = if rights {
            let real = Real::with_rights(control_plane).await;
            apply_manifests(&real.admin, RIGHTS).await.unwrap();
            let right = acr_testbed::Right {
                verb: "create",
                resource: "pods",
                subresource: "eviction",
                ..acr_testbed::Right::default()
            };
            let account = acr_controller::names::SERVICE_ACCOUNT;
            control_plane.until_granted(OWN, account, &[right]).await.unwrap();
            real
        } else {
            Real::without_rights(control_plane).await
        };
        // Nobody may take for garbage what has no owner, or end what has no node.
        control_plane.pause(Part::ControllerManager).unwrap();
        let mut model = ApiServer::new(UnixMillis(0));
        model.create_namespace(SPACE, std::collections::BTreeMap::new(), UnixMillis(0));
        model.create_account(SPACE, "app", List::of(&["x", ""]), false);
        let namespace = json!({ "metadata": { "name": SPACE } });
        create::<Namespace>(&Api::all(real.admin.clone()), namespace).await.unwrap();
        let account = json!({ "metadata": { "name": "app" }, "imagePullSecrets": [{ "name": "x" }, {}] });
        create::<ServiceAccount>(&Api::namespaced(real.admin.clone(), SPACE), account).await.unwrap();
        let pods = Api::namespaced(real.admin.clone(), SPACE);
        Self { model, real, pods }
    }

    /// Makes a pod on both; the lists that it has, or nothing where it is refused.
    async fn make(
        &mut self,
        name: &str,
        account: &'static str,
        list: &'static [&'static str],
    ) -> [Option<Vec<String>>; 2] {
        let image = "registry.example/app:1".to_owned();
        let template =
            Template { kind: OwnerKind::Nobody, account, list, image, sidecar: false, replicas: 1 };
        self.model.create_owner(SPACE, name, template);
        let made = self.model.make_pod(&(SPACE.to_owned(), name.to_owned()), || false);
        let told = match made {
            Made::Pod(key) => Some(self.model.pods()[&key].references.clone()),
            Made::Nothing | Made::Refused => None,
        };
        let elements: Vec<Value> = list.iter().map(|name| json!({ "name": name })).collect();
        let labels = json!({ "app": name });
        // With a node, which does not exist, it is not gone as soon as it is deleted.
        let pod = json!({ "metadata": { "name": format!("{name}-0"), "labels": labels }, "spec": {
            "serviceAccountName": account, "imagePullSecrets": elements, "nodeName": "nowhere",
            "automountServiceAccountToken": false,
            "containers": [{ "name": "app", "image": "registry.example/app:1" }],
        }});
        let heard = create::<Pod>(&self.pods, pod).await.ok().map(|pod| {
            let references = pod.spec.unwrap().image_pull_secrets.into_iter().flatten();
            references.map(|reference| reference.name).filter(|name| !name.is_empty()).collect()
        });
        [told, heard]
    }

    async fn reach(&mut self, name: &str, state: State) {
        let key: PodKey = (SPACE.to_owned(), format!("{name}-0"));
        let patch = |status: Value| Patch::Merge(json!({ "status": status }));
        let waiting = json!({ "name": "app", "image": "registry.example/app:1", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "waiting": { "reason": "ErrImagePull" } } });
        let none = PatchParams::default();
        match state {
            State::Pending => {}
            State::CannotPull => {
                self.model.pull_failed(&key);
                let status = json!({ "phase": "Pending", "containerStatuses": [waiting] });
                self.pods.patch_status(&key.1, &none, &patch(status)).await.unwrap();
            }
            State::Started | State::StartedBehindABudget => {
                self.model.start_pod(&key);
                self.pods.patch_status(&key.1, &none, &patch(json!({ "phase": "Running" }))).await.unwrap();
            }
            State::Terminating => {
                self.model.delete_pod(&key);
                self.pods.delete(&key.1, &DeleteParams::default()).await.unwrap();
            }
            State::Gone => {
                let uid = self.model.pods()[&key].uid.clone();
                self.model.delete_pod(&key);
                self.model.pod_ended(&key, &uid);
                let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
                self.pods.delete(&key.1, &at_once).await.unwrap();
            }
        }
        if state == State::StartedBehindABudget {
            self.model.resistance.no_disruption.insert(SPACE.to_owned());
            let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.real.admin.clone(), SPACE);
            let budget = json!({ "metadata": { "name": name }, "spec": { "minAvailable": 2,
                "selector": { "matchLabels": { "app": name } } } });
            create::<PodDisruptionBudget>(&budgets, budget).await.unwrap();
            let counted = json!({ "observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1,
                "desiredHealthy": 2, "expectedPods": 2 });
            budgets.patch_status(name, &none, &patch(counted)).await.unwrap();
        }
    }

    /// The uid and the version of a pod on both.
    async fn identity(&self, name: &str) -> [(String, u64); 2] {
        let model = &self.model.pods()[&(SPACE.to_owned(), format!("{name}-0"))];
        let real = self.pods.get(&format!("{name}-0")).await.unwrap();
        let version = real.resource_version().unwrap().parse().unwrap();
        [(model.uid.clone(), model.resource_version), (real.uid().unwrap(), version)]
    }

    /// What both answer, and whether the pod is there and being deleted afterwards.
    async fn evict(&mut self, name: &str, guards: [(String, u64); 2]) -> [String; 2] {
        let operation = |(uid, resource_version): (String, u64)| Operation::EvictPod {
            namespace: SPACE.to_owned(),
            name: format!("{name}-0"),
            uid,
            resource_version,
        };
        let [on_model, on_real] = guards.map(operation);
        let told = self.model.execute(&on_model).unwrap().answer;
        let heard = self.real.cluster.carry_out(on_real).await;
        let model = self.model.pods().get(&(SPACE.to_owned(), format!("{name}-0")));
        let model = model.map(|pod| pod.terminating);
        let real = self.pods.get_opt(&format!("{name}-0")).await.unwrap();
        let real = real.map(|pod| pod.metadata.deletion_timestamp.is_some());
        let words = |answer: &Answer, terminating: Option<bool>| match answer {
            Answer::Refused(refusal) => format!("{}, ends: {terminating:?}", refusal.label()),
            _ => format!("done, ends: {terminating:?}"),
        };
        [words(&told, model), words(&heard, real)]
    }
}

async fn create<K>(api: &Api<K>, object: Value) -> kube::Result<K>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}

#[tokio::test]
async fn new_pods_get_the_same_lists_and_evictions_the_same_answers_in_every_state() {
    let control_plane = control_plane().await;
    let mut both = Both::begin(&control_plane, true).await;
    let mut lines = Vec::new();
    for (name, account, list) in
        [("plain", "app", &[][..]), ("own", "app", &["mine", "yours"]), ("stranger", "unknown", &[])]
    {
        let [told, heard] = both.make(name, account, list).await;
        assert_eq!(told, heard, "the list of {name}");
        lines.push(format!("{name}: {told:?}"));
    }
    let states = [
        State::Pending,
        State::CannotPull,
        State::Started,
        State::StartedBehindABudget,
        State::Terminating,
        State::Gone,
    ];
    for (place, state) in states.into_iter().enumerate() {
        for guard in [Guard::OlderVersion, Guard::OtherUid, Guard::Right] {
            let name = format!("p{place}{}", format!("{guard:?}").to_lowercase());
            both.make(&name, "app", &[]).await;
            let mut guards = both.identity(&name).await;
            both.reach(&name, state).await;
            if state != State::Gone && !matches!(guard, Guard::OlderVersion) {
                guards = both.identity(&name).await;
            }
            for (uid, version) in &mut guards {
                match guard {
                    Guard::Right => {}
                    Guard::OlderVersion => *version -= u64::from(state == State::Pending),
                    Guard::OtherUid => "11111111-1111-1111-1111-111111111111".clone_into(uid),
                }
            }
            let [told, heard] = both.evict(&name, guards).await;
            assert_eq!(told, heard, "{state:?}, {guard:?}");
            lines.push(format!("{state:?}, {guard:?}: {told}"));
            both.model.resistance.no_disruption.clear();
        }
    }
    assert_eq!(lines, EXPECTED);
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn both_refuse_evictions_without_the_right_even_of_what_is_not_there() {
    let control_plane = control_plane().await;
    let mut both = Both::begin(&control_plane, false).await;
    both.model.resistance.missing.insert(Right::Evictions);
    both.make("there", "app", &[]).await;
    let guards = both.identity("there").await;
    for name in ["there", "nowhere"] {
        let [told, heard] = both.evict(name, guards.clone()).await;
        assert_eq!(told, heard);
        assert!(told.starts_with("NoRight"), "{told}");
    }
    control_plane.stop().unwrap();
}
