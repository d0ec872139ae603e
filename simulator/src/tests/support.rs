//! A cloud to test against, and a client that signs.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::encoding::percent_encode;
use crate::issuer::Issuer;
use crate::parameters::Parameters;
use crate::signature::acs3::{self, Signed};
use crate::signature::rpc;
use crate::{Cloud, CloudRequest, Description, Mutation, SigningKey};

pub(crate) const ACCOUNT: &str = "1000000000000001";
pub(crate) const INSTANCE: &str = "cri-acme0000000000";
pub(crate) const CR: &str = "cr.cn-hangzhou.aliyuncs.com";
pub(crate) const STS: &str = "sts.cn-hangzhou.aliyuncs.com";
pub(crate) const PROVIDER: &str = "acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1";
pub(crate) const ROLE: &str = "acs:ram::1000000000000001:role/rrsa-puller";
pub(crate) const SUBJECT: &str = "system:serviceaccount:kube-system:aliyun-acr-credential-helper";

const DESCRIPTION: &str = r#"
accounts:
  - id: "1000000000000001"
    accessKeys:
      - {id: LTAImain, secret: main-secret}
    users:
      - name: puller
        accessKeys:
          - {id: LTAIpuller, secret: puller-secret}
          - {id: LTAIdisabled, secret: disabled-secret, status: Inactive}
        policies:
          - Version: "1"
            Statement:
              - {Effect: Allow, Action: "cr:*", Resource: "*"}
              - {Effect: Deny, Action: "cr:PullRepository", Resource: "acs:cr:*:*:repository/*/secret/*"}
      - name: nobody
        accessKeys: [{id: LTAInobody, secret: nobody-secret}]
      - name: hopper
        accessKeys: [{id: LTAIhopper, secret: hopper-secret}]
        policies:
          - Version: "1"
            Statement:
              - {Effect: Allow, Action: "sts:Assume*", Resource: "acs:ram:*:2000000000000002:role/acr-*"}
              - {Effect: Deny, Action: "*", Resource: "acs:ram::*:role/acr-forbidden"}
    roles:
      - name: rrsa-puller
        maxSessionSeconds: 7200
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Condition": {"StringEquals": {
          "oidc:aud": "sts.aliyuncs.com", "oidc:iss": "https://issuer.example",
          "oidc:sub": "system:serviceaccount:kube-system:aliyun-acr-credential-helper"}}, "Effect": "Allow",
          "Principal": {"Federated": ["acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1"]}}], "Version": "1"}
        policies:
          - {"Version": "1", "Statement": [{"Action": ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint",
            "cr:PullRepository"], "Resource": "*", "Effect": "Allow"}]}
      - name: AliyunCSManagedAcrRole
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
          "Principal": {"Service": ["cs.aliyuncs.com"]}}], "Version": "1"}
        policies:
          - {"Version": "1", "Statement": [{"Action": "cr:*", "Resource": "*", "Effect": "Allow"}]}
      - name: worker
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
          "Principal": {"Service": "ecs.aliyuncs.com"}}], "Version": "1"}
        policies:
          - {"Version": "1", "Statement": [{"Action": ["cr:*", "sts:AssumeRole"], "Resource": "*", "Effect": "Allow"}]}
    oidcProviders:
      - {name: ack-rrsa-c1, issuer: "https://issuer.example", clientIds: [sts.aliyuncs.com, other]}
      - {name: ack-rrsa-silent, issuer: "https://issuer.example"}
  - id: "2000000000000002"
    accessKeys:
      - {id: LTAIother, secret: other-secret}
    roles:
      - name: acr-puller
        maxSessionSeconds: 7200
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": [
          "acs:ram::1000000000000001:role/worker", "acs:ram::1000000000000001:user/hopper"]}}], "Version": "1"}
        policies: &pull
          - {"Version": "1", "Statement": [{"Action": ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint",
            "cr:PullRepository"], "Resource": "*", "Effect": "Allow"}]}
      - name: acr-account
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
          "Principal": {"RAM": "acs:ram::1000000000000001:root"}}], "Version": "1"}
        policies: *pull
      - name: acr-vendor
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
          "Principal": {"RAM": "acs:ram::1000000000000001:root"},
          "Condition": {"StringEquals": {"sts:ExternalId": "vendor=7"}}}], "Version": "1"}
      - name: acr-forbidden
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
          "Principal": {"RAM": "acs:ram::1000000000000001:root"}}], "Version": "1"}
      - name: acr-refusing
        trustPolicy: {"Statement": [
          {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": "acs:ram::1000000000000001:root"}},
          {"Action": "sts:AssumeRole", "Effect": "Deny", "Principal": {"RAM": "acs:ram::1000000000000001:user/hopper"}}
          ], "Version": "1"}
metadata: {account: "1000000000000001", region: cn-hangzhou, role: worker}
instances:
  - id: cri-acme0000000000
    name: acme
    region: cn-hangzhou
    account: "1000000000000001"
    vpcEndpoint: {vpcs: [vpc-1]}
    customDomains:
      - {domain: images.acme.example}
      - {domain: inner.acme.example, endpoint: vpc}
      - {domain: off.acme.example, enabled: false}
    repositories:
      - {name: "app/*"}
      - {name: "secret/*"}
      - {name: open/base, public: true}
  - id: cri-other000000000
    name: other
    region: cn-hangzhou
    account: "1000000000000001"
    publicEndpoint: {enabled: false}
    authTakeover: true
  - id: cri-cross000000000
    name: cross
    region: cn-hangzhou
    account: "2000000000000002"
  - id: cri-beijing0000000
    name: north
    region: cn-beijing
    account: "1000000000000001"
personal:
  - account: "1000000000000001"
    region: cn-hangzhou
    users: [puller]
    repositories:
      - {name: "mine/*"}
      - {name: "mine-open/*", public: true}
  - {account: "1000000000000001", region: cn-beijing, kind: new}
  - {account: "2000000000000002", region: cn-hangzhou, repositories: [{name: "theirs/*"}]}
"#;

pub(crate) static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::new("https://issuer.example").expect("a key"));
pub(crate) static SIGNING_KEY: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::generate().expect("a key")));

/// The time at which tests begin.
pub(crate) fn start() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// So many seconds after the start.
pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(start().as_second() + seconds).unwrap()
}

pub(crate) fn cloud() -> Cloud {
    let mut cloud =
        Cloud::new(Description::parse(DESCRIPTION).unwrap()).with_signing_key(SIGNING_KEY.clone());
    let jwks = Some(ISSUER.jwks());
    cloud.mutate(Mutation::SetIssuerKeys { provider: PROVIDER.to_owned(), jwks }).unwrap();
    cloud
}

/// An access key pair with its security token.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Key {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), token: None }
    }

    pub(crate) fn puller() -> Self {
        Self::new("LTAIpuller", "puller-secret")
    }

    /// The pair in an answer of STS or in a role document.
    pub(crate) fn of(credentials: &Value) -> Self {
        let field = |name: &str| credentials[name].as_str().unwrap().to_owned();
        Self {
            id: field("AccessKeyId"),
            secret: field("AccessKeySecret"),
            token: Some(field("SecurityToken")),
        }
    }
}

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Acs3 {
    pub(crate) host: &'static str,
    pub(crate) method: &'static str,
    pub(crate) action: &'static str,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) key: Key,
    pub(crate) time: Timestamp,
    pub(crate) nonce: String,
    pub(crate) more: Vec<(&'static str, &'static str)>,
    pub(crate) body: &'static str,
}

impl Acs3 {
    pub(crate) fn new(action: &'static str, instance: &str) -> Self {
        Self {
            host: CR,
            method: "POST",
            action,
            query: vec![("InstanceId", instance.to_owned())],
            key: Key::puller(),
            time: start(),
            nonce: format!("nonce-{action}-{instance}"),
            more: vec![("accept", "application/json")],
            body: "",
        }
    }

    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self.nonce = format!("{}-{time}", self.nonce);
        self
    }

    pub(crate) fn by(mut self, key: &Key) -> Self {
        self.key = key.clone();
        self.nonce = format!("{}-{}", self.nonce, key.id);
        self
    }

    pub(crate) fn build(&self) -> CloudRequest {
        self.at_path("/", "2018-12-01")
    }

    pub(crate) fn at_path(&self, path: &str, version: &str) -> CloudRequest {
        let mut headers = HeaderMap::new();
        let hash = acs3::sha256(self.body.as_bytes());
        let time = Timestamp::from_second(self.time.as_second()).unwrap().to_string();
        let mut fixed = vec![
            ("host", self.host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-version", version.to_owned()),
            ("x-acs-date", time),
            ("x-acs-signature-nonce", self.nonce.clone()),
            ("x-acs-content-sha256", hash.clone()),
        ];
        if let Some(token) = &self.key.token {
            fixed.push(("x-acs-accesskey-id", self.key.id.clone()));
            fixed.push(("x-acs-security-token", token.clone()));
        }
        fixed.extend(self.more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        for (name, value) in fixed {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        let query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
        let query = query.join("&");
        let canonical = acs3::canonical_headers(&headers, self.host, "");
        let parameters = Parameters::parse(&[&query]).unwrap();
        let signed = Signed {
            method: self.method,
            path,
            query: &parameters,
            headers: &canonical,
            payload_hash: &hash,
        };
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
            self.key.id,
            signed.header_names(),
            signed.signature(&self.key.secret)
        );
        headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        let mut request = CloudRequest::new(Bytes::from(self.body));
        *request.method_mut() = self.method.parse().unwrap();
        *request.uri_mut() = format!("https://{}{path}?{query}", self.host).parse().unwrap();
        *request.headers_mut() = headers;
        request
    }
}

/// A request signed by RPC-HMAC-SHA1, as a form or, for GET, as a query.
pub(crate) fn rpc_request(
    method: &str,
    host: &str,
    key: &Key,
    time: Timestamp,
    pairs: &[(&str, &str)],
) -> CloudRequest {
    let time = Timestamp::from_second(time.as_second()).unwrap().to_string();
    let mut all: Vec<(String, String)> = [
        ("AccessKeyId", key.id.as_str()),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", time.as_str()),
        ("Timestamp", time.as_str()),
        ("Format", "JSON"),
        ("Version", "2018-12-01"),
    ]
    .iter()
    .chain(pairs)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    if let Some(token) = &key.token {
        all.push(("SecurityToken".to_owned(), token.clone()));
    }
    // A pair given by the test replaces the usual one.
    let mut seen = std::collections::BTreeMap::new();
    for (name, value) in all {
        seen.insert(name, value);
    }
    let join = |pairs: &std::collections::BTreeMap<String, String>| {
        let texts: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
            .collect();
        texts.join("&")
    };
    let parameters = Parameters::parse(&[&join(&seen)]).unwrap();
    seen.insert("Signature".to_owned(), rpc::signature(method, &parameters, &key.secret));
    unsigned(method, host, &join(&seen))
}

/// A request with parameters and nothing else.
pub(crate) fn unsigned(method: &str, host: &str, parameters: &str) -> CloudRequest {
    let get = method == "GET";
    let body = if get { Bytes::new() } else { Bytes::from(parameters.to_owned()) };
    let query = if get { parameters } else { "" };
    let mut request = CloudRequest::new(body);
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = format!("https://{host}/?{query}").parse().unwrap();
    if !get {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert("content-type", form);
    }
    request
}

/// `AssumeRoleWithOIDC` by POST with everything in the form.
pub(crate) fn assume_role(token: &str, changes: &[(&str, &str)]) -> CloudRequest {
    let mut pairs = vec![
        ("Action", "AssumeRoleWithOIDC"),
        ("Version", "2015-04-01"),
        ("Format", "JSON"),
        ("RoleArn", ROLE),
        ("OIDCProviderArn", PROVIDER),
        ("OIDCToken", token),
        ("RoleSessionName", "helper"),
    ];
    for (name, value) in changes {
        pairs.retain(|(existing, _)| existing != name);
        pairs.push((name, value));
    }
    let texts: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    unsigned("POST", STS, &texts.join("&"))
}

/// The claims of a token that the role trusts, which ends in an hour.
pub(crate) fn claims() -> Value {
    let now = start().as_second();
    json!({ "iss": "https://issuer.example", "sub": SUBJECT, "aud": "sts.aliyuncs.com", "exp": now + 3600 })
}

/// The same token with another claim.
pub(crate) fn token_with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    ISSUER.sign(&claims).unwrap()
}

/// A token that the role trusts, valid for an hour.
pub(crate) fn good_token() -> String {
    let now = start().as_second();
    ISSUER.token(SUBJECT, "sts.aliyuncs.com", now, now + 3600).unwrap()
}

/// Status and JSON body of the answer to a request.
pub(crate) fn ask(cloud: &mut Cloud, now: Timestamp, request: CloudRequest) -> (u16, Value) {
    let response = cloud.call(now, request).answered().expect("an answer");
    let body = serde_json::from_slice(response.body())
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(response.body()).into_owned()));
    (response.status().as_u16(), body)
}

/// Status and code of a refusal.
pub(crate) fn refusal(cloud: &mut Cloud, now: Timestamp, request: CloudRequest) -> (u16, String) {
    let (status, body) = ask(cloud, now, request);
    (status, body["Code"].as_str().unwrap_or("no code").to_owned())
}

/// The credentials that `AssumeRoleWithOIDC` gives.
pub(crate) fn session(cloud: &mut Cloud, changes: &[(&str, &str)]) -> Value {
    let (status, body) = ask(cloud, start(), assume_role(&good_token(), changes));
    assert_eq!(status, 200, "{body}");
    body["Credentials"].clone()
}
