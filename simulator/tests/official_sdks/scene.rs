//! A served cloud and the official SDKs that call it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use acr_simulator::{Description, Fault, Issuer, Mutation, Options, Simulator};
use serde_json::{Value, json};

use crate::environment;

pub const STS: &str = "sts.cn-hangzhou.aliyuncs.com";
pub const CR: &str = "cr.cn-hangzhou.aliyuncs.com";
pub const INSTANCE: &str = "cri-acme0000000000";
pub const PROVIDER: &str = "acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1";
pub const RRSA_ROLE: &str = "acs:ram::1000000000000001:role/rrsa";
pub const PULLER_OF_B: &str = "acs:ram::2000000000000002:role/acr-puller";
pub const ISSUER: &str = "https://issuer.example";
pub const SUBJECT: &str = "system:serviceaccount:kube-system:aliyun-acr-credential-helper";

const DESCRIPTION: &str = r#"
accounts:
  - id: "1000000000000001"
    accessKeys: [{id: LTAImain, secret: main-secret}]
    users:
      - name: puller
        accessKeys:
          - {id: LTAIpuller, secret: puller-secret}
          - {id: LTAIdisabled, secret: disabled-secret, status: Inactive}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: ["cr:*", "sts:AssumeRole"], Resource: "*"}]}]
      - name: nobody
        accessKeys: [{id: LTAInobody, secret: nobody-secret}]
      - name: opener
        accessKeys: [{id: LTAIopener, secret: opener-secret}]
    roles:
      - name: rrsa
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Condition": {"StringEquals": {
          "oidc:aud": "sts.aliyuncs.com", "oidc:iss": "https://issuer.example",
          "oidc:sub": "system:serviceaccount:kube-system:aliyun-acr-credential-helper"}}, "Effect": "Allow",
          "Principal": {"Federated": ["acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1"]}}], "Version": "1"}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}]
    oidcProviders: [{name: ack-rrsa-c1, issuer: "https://issuer.example"}]
  - id: "2000000000000002"
    roles:
      - name: acr-puller
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": [
          "acs:ram::1000000000000001:role/rrsa", "acs:ram::1000000000000001:user/puller"]}}], "Version": "1"}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: acr-distrustful
        trustPolicy: {Version: "1", Statement: []}
instances:
  - {id: cri-acme0000000000, name: acme, region: cn-hangzhou, account: "1000000000000001"}
  - {id: cri-cross000000000, name: cross, region: cn-hangzhou, account: "2000000000000002"}
personal:
  - {account: "1000000000000001", region: cn-hangzhou, users: [puller, opener]}
"#;

/// A served cloud, an issuer of its OIDC provider, and a process that carries out calls of the SDKs.
pub struct Scene {
    pub simulator: Simulator,
    pub issuer: Issuer,
    driver: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Scene {
    pub async fn begin() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Description)) -> Self {
        let mut description = Description::parse(DESCRIPTION).expect("a description");
        change(&mut description);
        let simulator = Simulator::start(description, Options::default()).await.expect("a simulator");
        let issuer = Issuer::new(ISSUER).expect("a key");
        let keys = Mutation::SetIssuerKeys { provider: PROVIDER.to_owned(), jwks: Some(issuer.jwks()) };
        simulator.cloud().mutate(keys).expect("the provider exists");
        let mut driver = Command::new(environment::python())
            .args(["-c", include_str!("driver.py")])
            // A proxy of the environment must not stand between the SDKs and loopback.
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python was run a moment ago");
        let input = driver.stdin.take().expect("piped");
        let output = BufReader::new(driver.stdout.take().expect("piped"));
        Self { simulator, issuer, driver, input, output }
    }

    /// The arguments of `Config` for a host of the cloud.
    pub fn config(&self, host: &str, key: &Key) -> Value {
        let url = self.simulator.listing().url(host).expect("a served host");
        let mut config = json!({
            "endpoint": url.trim_start_matches("http://"),
            "protocol": "http",
            "access_key_id": key.id,
            "access_key_secret": key.secret,
        });
        if let Some(token) = &key.token {
            config["security_token"] = json!(token);
        }
        config
    }

    /// The body of the answer, or what the exception says. The runtime has a thread left for the simulator.
    pub fn carry_out(&mut self, call: &Value) -> Result<Value, Value> {
        writeln!(self.input, "{call}").expect("the driver takes calls until its input ends");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the driver answers in UTF-8");
        let mut result: Value = serde_json::from_str(&line).expect("the driver answers every call");
        match result.get_mut("answer") {
            Some(answer) => Ok(answer.take()),
            None => Err(result["error"].take()),
        }
    }

    pub fn sts(&mut self, operation: &str, key: &Key, request: &Value) -> Result<Value, Value> {
        let config = self.config(STS, key);
        self.carry_out(&json!({ "package": "alibabacloud_sts20150401", "operation": operation, "config": config, "request": request }))
    }

    pub fn hop(&mut self, key: &Key, role: &str) -> Result<Value, Value> {
        self.sts("assume_role", key, &json!({ "role_arn": role, "role_session_name": "helper" }))
    }

    pub fn enterprise(&mut self, operation: &str, key: &Key, instance: &str) -> Result<Value, Value> {
        let config = self.config(CR, key);
        let request = json!({ "instance_id": instance });
        self.carry_out(&json!({ "package": "alibabacloud_cr20181201", "operation": operation, "config": config, "request": request }))
    }

    pub fn personal(&mut self, key: &Key) -> Result<Value, Value> {
        let config = self.config(CR, key);
        let package = "alibabacloud_cr20160607";
        self.carry_out(&json!({ "package": package, "operation": "get_authorization_token", "config": config, "body": "json" }))
    }

    /// The session of a hop that the cloud carries out some seconds from now, or before it.
    pub fn session_at(&mut self, seconds: i64) -> Key {
        self.fault(json!({ "times": 1, "effect": { "clockSkew": { "seconds": seconds } } }));
        let request =
            json!({ "role_arn": PULLER_OF_B, "role_session_name": "helper", "duration_seconds": 900 });
        Key::of(&self.sts("assume_role", &Key::puller(), &request).expect("a session"))
    }

    /// A token of the issuer that the role `rrsa` trusts.
    pub fn token(&self) -> String {
        let now = jiff::Timestamp::now().as_second();
        self.issuer.token(SUBJECT, "sts.aliyuncs.com", now, now + 600).expect("a token")
    }

    pub fn fault(&self, fault: Value) {
        let fault: Fault = serde_json::from_value(fault).expect("a fault");
        self.simulator.cloud().add_fault(fault);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The driver may have ended already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// What a client signs with.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Key {
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), token: None }
    }

    pub fn puller() -> Self {
        Self::new("LTAIpuller", "puller-secret")
    }

    pub fn nobody() -> Self {
        Self::new("LTAInobody", "nobody-secret")
    }

    /// The key in an answer of STS.
    pub fn of(answer: &Value) -> Self {
        let field = |name: &str| answer["Credentials"][name].as_str().expect("a session").to_owned();
        Self {
            token: Some(field("SecurityToken")),
            ..Self::new(&field("AccessKeyId"), &field("AccessKeySecret"))
        }
    }
}
