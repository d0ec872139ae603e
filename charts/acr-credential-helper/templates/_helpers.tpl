{{/* Names that are fixed: users, scripts and RAM trust policies hold them. */}}
{{- define "acr.account" -}}aliyun-acr-credential-helper{{- end }}
{{- define "acr.uninstaller" -}}acr-credential-helper-uninstall{{- end }}
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

{{/* Whether the server has ValidatingAdmissionPolicy in v1. */}}
{{- define "acr.hasPolicy" -}}
{{- if and .Values.admissionPolicy (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}true{{- end -}}
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
