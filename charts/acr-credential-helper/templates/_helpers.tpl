{{/* Names that are fixed: users, scripts and RAM trust policies hold them. */}}
{{- define "acr.account" -}}aliyun-acr-credential-helper{{- end }}
{{- define "acr.uninstaller" -}}acr-credential-helper-uninstall{{- end }}
{{- define "acr.webhook" -}}acr-credential-helper-webhook{{- end }}
{{/* The label `app` of the pods that answer the API server by the Service. */}}
{{- define "acr.answering" -}}
{{- ternary (include "acr.account" .) (include "acr.webhook" .) (eq .Values.placement "in-cluster") -}}
{{- end }}
{{- define "acr.outsideSecret" -}}aliyun-acr-credential-helper-outside{{- end }}

{{- define "acr.labels" -}}
app.kubernetes.io/name: acr-credential-helper
{{- end }}

{{- define "acr.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/*
"true" for an object that exists and is not of this release. Arguments: root, apiVersion, kind, namespace, name.
`helm template` sees no cluster: there nothing exists.
*/}}
{{- define "acr.isForeign" -}}
{{- $found := lookup .apiVersion .kind .namespace .name -}}
{{- if $found -}}
{{- $annotations := dig "metadata" "annotations" dict $found -}}
{{- $release := .root.Release -}}
{{- if or (ne (get $annotations "meta.helm.sh/release-name") $release.Name) (ne (get $annotations "meta.helm.sh/release-namespace") $release.Namespace) -}}
true
{{- end -}}
{{- end -}}
{{- end }}

{{/* The rights that the key `pods` needs. */}}
{{- define "acr.podHelp" -}}
{{ .Values.podHelp | default .Values.pods | default "none" }}
{{- end }}

{{/* Whether the server has ValidatingAdmissionPolicy in v1. */}}
{{- define "acr.hasPolicy" -}}
{{- if and .Values.admissionPolicy (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}true{{- end -}}
{{- end }}

{{/* Where a registration of the component may lead: its own Service, or the URL that was given. */}}
{{- define "acr.webhookTarget" -}}
{{- if .Values.webhook.url -}}
w.?clientConfig.?url.orValue('') in [
        '{{ trimSuffix "/" .Values.webhook.url }}/serviceaccounts', '{{ trimSuffix "/" .Values.webhook.url }}/pods']
{{- else -}}
w.?clientConfig.?service.?namespace.orValue('') == '{{ .Release.Namespace }}' &&
        w.?clientConfig.?service.?name.orValue('') == '{{ include "acr.webhook" . }}'
{{- end -}}
{{- end }}

{{/* The version in which the server has MutatingAdmissionPolicy, or nothing. */}}
{{- define "acr.mutatingPolicyServed" -}}
{{- $group := "admissionregistration.k8s.io" -}}
{{- if or (.Capabilities.APIVersions.Has (printf "%s/v1/MutatingAdmissionPolicy" $group)) (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{ $group }}/v1
{{- else if .Capabilities.APIVersions.Has (printf "%s/v1beta1/MutatingAdmissionPolicy" $group) -}}
{{ $group }}/v1beta1
{{- end -}}
{{- end }}

{{/*
The version in which the policy of `mode: policy` is installed, or nothing. auto: where the mode is asked for, and where
this release has installed it before. A policy that is taken away makes API servers cease to read the parameters of all
others (kubernetes/kubernetes#130887): that is for whoever says so, by mutatingPolicy: false or helm uninstall.
*/}}
{{- define "acr.mutatingPolicyVersion" -}}
{{- $wanted := toString .Values.mutatingPolicy -}}
{{- $served := include "acr.mutatingPolicyServed" . -}}
{{- if ne $wanted "false" -}}
{{- if $served -}}
{{- $name := "acr-credential-helper" -}}
{{- $stands := and (lookup $served "MutatingAdmissionPolicy" "" $name) (not (include "acr.isForeign" (dict "root" . "apiVersion" $served "kind" "MutatingAdmissionPolicy" "namespace" "" "name" $name))) -}}
{{- if or (eq $wanted "true") (include "acr.asksForPolicy" .) $stands -}}{{ $served }}{{- end -}}
{{- else if eq $wanted "true" -}}
{{- fail "mutatingPolicy: true, but the server has no MutatingAdmissionPolicy: it comes with Kubernetes 1.36 (with 1.34 where the API admissionregistration.k8s.io/v1beta1 is turned on). Use webhook-configuration with mode: webhook, and mutatingPolicy: auto." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What every pod of ours has: no root, no capability, nothing writable. */}}
{{- define "acr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "acr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Who is at work: RAM trust policies name system:serviceaccount:kube-system:aliyun-acr-credential-helper. */}}
{{- define "acr.subject" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "acr.account" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* A Role that reads one Secret, and its binding. Arguments: root, role, namespace, name. */}}
{{- define "acr.readOneSecret" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .role | quote }}
  # The namespace of the Secret.
  namespace: {{ .namespace | quote }}
  labels:
    {{- include "acr.labels" .root | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    # The name of the Secret.
    resourceNames: [{{ .name | quote }}]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .role | quote }}
  # The namespace of the Secret.
  namespace: {{ .namespace | quote }}
  labels:
    {{- include "acr.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .role | quote }}
{{ include "acr.subject" .root }}
{{- end }}

{{/* The pod of a hook that runs the program. Arguments: root, account, run. */}}
{{- define "acr.hookPod" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ .account }}
restartPolicy: Never
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $values.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "acr.podSecurity" .root | nindent 2 }}
containers:
  - name: {{ first .run }}
    image: {{ include "acr.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      {{- range .run }}
      - {{ . }}
      {{- end }}
    env:
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      - name: POD_NAMESPACE
        valueFrom:
          fieldRef:
            fieldPath: metadata.namespace
    {{- with $values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "acr.containerSecurity" .root | nindent 6 }}
{{- end }}

{{/* What `webhook-configuration` asks for, as YAML. The ConfigMap may be of the values, or somebody else's. */}}
{{- define "acr.immediate" -}}
{{- $map := lookup "v1" "ConfigMap" .Release.Namespace "acr-configuration" | default dict -}}
{{- $given := include "acr.givenData" . | fromYaml -}}
{{- get $given "webhook-configuration" | default (dig "data" "webhook-configuration" "" $map) -}}
{{- end }}

{{/* "true" where `webhook-configuration` asks for `mode: policy`, in any spelling that the program takes. */}}
{{- define "acr.asksForPolicy" -}}
{{- $immediate := include "acr.immediate" . | fromYaml -}}
{{- $on := has (lower (toString (get $immediate "enable"))) (list "true" "yes" "on") -}}
{{- if and $on (eq (lower (toString (get $immediate "mode"))) "policy") -}}true{{- end -}}
{{- end }}
