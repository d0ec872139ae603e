{{/* The keys of the two forms in which a configuration can be given. */}}
{{- define "acr.consoleKeys" -}}
AcrInstanceInfo watchNamespace serviceAccount expiringThreshold enableRRSA notifyEmail
{{- end }}
{{- define "acr.configMapKeys" -}}
acr-api-version acr-registry acr-registry-info endpoints exclude-namespace expiring-threshold namespace-selector notify-email pods rrsa service-account takeover watch-namespace webhook-configuration
{{- end }}

{{/* "true" for what the program takes for "not set": an empty text, null and 0, quoted or not. Argument: the value. */}}
{{- define "acr.isUnset" -}}
{{- if or (kindIs "invalid" .) (has (trim (toString .)) (list "" "0")) -}}true{{- end -}}
{{- end }}

{{/*
The parameters of the console as the values have them, as YAML, without what is not set. Of an entry its instanceId stays:
empty, it is the Personal Edition.
*/}}
{{- define "acr.consoleParameters" -}}
{{- $parameters := dict -}}
{{- range $key := splitList " " (include "acr.consoleKeys" .) -}}
{{- if not (include "acr.isUnset" (get $.Values $key)) -}}{{- $_ := set $parameters $key (get $.Values $key) -}}{{- end -}}
{{- end -}}
{{- with $parameters.AcrInstanceInfo -}}
{{- $entries := list -}}
{{- range . -}}
{{- $entry := dict -}}
{{- range $field, $value := . -}}
{{- if or (eq (lower $field) "instanceid") (not (include "acr.isUnset" $value)) -}}{{- $_ := set $entry $field $value -}}{{- end -}}
{{- end -}}
{{- $entries = append $entries $entry -}}
{{- end -}}
{{- $_ := set $parameters "AcrInstanceInfo" $entries -}}
{{- end -}}
{{- toYaml $parameters -}}
{{- end }}

{{/* tokenMode as the program's flag takes it: a parameter of the console is written in any case, or left empty. */}}
{{- define "acr.tokenMode" -}}
{{- $modes := list "auto" "managedRole" "workerRole" -}}
{{- $given := .Values.tokenMode -}}
{{- $found := "" -}}
{{- range $modes -}}{{- if eq (lower .) (lower (trim (toString $given))) -}}{{- $found = . -}}{{- end -}}{{- end -}}
{{- if not (or $found (include "acr.isUnset" $given)) -}}
{{- fail (printf "\n\ntokenMode: %q is none of %s.\n" (toString $given) (join ", " $modes)) -}}
{{- end -}}
{{- $found | default "auto" -}}
{{- end }}

{{/* The data of the ConfigMap as the values have it, as YAML; empty where they have none. */}}
{{- define "acr.givenData" -}}
{{- $parameters := include "acr.consoleParameters" . | fromYaml -}}
{{- $data := dict -}}
{{- range $key := splitList " " (include "acr.configMapKeys" .) -}}
{{- if hasKey $.Values $key -}}
{{- $value := get $.Values $key -}}
{{- if or (kindIs "slice" $value) (kindIs "map" $value) -}}{{- $value = toYaml $value -}}{{- end -}}
{{- $_ := set $data $key (toString (default "" $value)) -}}
{{- end -}}
{{- end -}}
{{- if and $parameters $data -}}
{{- fail (printf "\n\nThe configuration is given twice: as parameters of the console (%s) and as keys of the ConfigMap (%s). Give one form.\n" (keys $parameters | sortAlpha | join ", ") (keys $data | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if $parameters -}}{{- $data = dict "add-on-parameters" (toPrettyJson $parameters) -}}{{- end -}}
{{- if $data -}}{{- toYaml $data -}}{{- end -}}
{{- end }}

{{/* The data of a ConfigMap in a form that does not depend on how its JSON is laid out. Argument: the data as YAML. */}}
{{- define "acr.comparable" -}}
{{- $data := fromYaml . -}}
{{- with get $data "add-on-parameters" -}}
{{- $_ := set $data "add-on-parameters" (toJson (fromJson .)) -}}
{{- end -}}
{{- toYaml $data -}}
{{- end }}

{{/* Refuses what the schema cannot say in a sentence. */}}
{{- define "acr.check" -}}
{{- range $key := list "expiringThreshold" "expiring-threshold" -}}
{{- $threshold := get $.Values $key -}}
{{- if not (or (include "acr.isUnset" $threshold) (regexMatch "^([0-9]+(\\.[0-9]+)?(h|m|s))+$" (toString $threshold))) -}}
{{- fail (printf "\n\n%s: %q is no duration. Write it as 15m or 1h30m.\n" $key (toString $threshold)) -}}
{{- end -}}
{{- end -}}
{{- $booleans := list "true" "false" "yes" "no" "on" "off" -}}
{{- if not (or (include "acr.isUnset" .Values.enableRRSA) (has (lower (toString .Values.enableRRSA)) $booleans)) -}}
{{- fail (printf "\n\nenableRRSA: %q is neither true nor false.\n" (toString .Values.enableRRSA)) -}}
{{- end -}}
{{- $_ := include "acr.tokenMode" . -}}
{{- range $index, $entry := .Values.AcrInstanceInfo -}}
{{- $place := printf "AcrInstanceInfo[%d]" $index -}}
{{- if not (or (hasKey $entry "instanceId") (hasKey $entry "InstanceId") (not (include "acr.isUnset" (get $entry "staticSecretRef")))) -}}
{{- fail (printf "\n\n%s has no instanceId. Give the id of the instance, cri-…; the Personal Edition is written as instanceId: \"\".\n" $place) -}}
{{- end -}}
{{- range $field := list "customAccessKey" "customAccessKeySecret" -}}
{{- if not (include "acr.isUnset" (get $entry $field)) -}}
{{- fail (printf "\n\n%s.%s: keys do not belong into values, which Helm keeps in the cluster in every version. Put them into a Secret and name it in customAccessKeySecretRef and in secretReferences.\n" $place $field) -}}
{{- end -}}
{{- end -}}
{{- $endpoint := get $entry "endpoint" -}}
{{- if not (or (include "acr.isUnset" $endpoint) (has (lower (toString $endpoint)) (list "auto" "vpc" "public"))) -}}
{{- fail (printf "\n\n%s.endpoint: %q is none of auto, vpc, public.\n" $place (toString $endpoint)) -}}
{{- end -}}
{{- if not (include "acr.isUnset" (get $entry "expireDuration")) -}}
{{- $seconds := trim (toString $entry.expireDuration) -}}
{{- if not (and (regexMatch "^[0-9]{1,9}$" $seconds) (ge (atoi $seconds) 900) (le (atoi $seconds) 43200)) -}}
{{- fail (printf "\n\n%s.expireDuration: %q is no number of seconds from 900 to 43200.\n" $place $seconds) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "acr.checkImmediate" . -}}
{{- if and .Values.hostNetwork (eq .Values.placement "outside") -}}
{{- fail "\n\nhostNetwork is for a pod, and placement: outside has none. Leave one of them out.\n" -}}
{{- end -}}
{{- include "acr.checkRegistration" . -}}
{{- $name := include "acr.account" . -}}
{{- if include "acr.isForeign" (dict "root" . "apiVersion" "apps/v1" "kind" "Deployment" "namespace" .Release.Namespace "name" $name) -}}
{{- $exists := printf "The Deployment %s/%s exists and is not of this release: the original, or manifests of deploy/." .Release.Namespace $name -}}
{{- /* Not even by --take-ownership: containers are merged by name, and the other one's would stay in the pod. */ -}}
{{- if eq .Values.placement "in-cluster" -}}
{{- fail (printf "\n\n%s Two of them would write the same Secrets. Remove it first; the Secrets that it has written stay, and are taken over. docs/migration.md tells it step by step.\n" $exists) -}}
{{- else if include "acr.hasPolicy" . -}}
{{- fail (printf "\n\n%s Pods of the original have the ServiceAccount that the admission policy holds: what they write would be refused, and nobody would be told. Give --set admissionPolicy=false until it is gone.\n" $exists) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses what the program would not take for webhook-configuration, and what does not go together with the webhook. */}}
{{- define "acr.checkImmediate" -}}
{{- $asked := get .Values "webhook-configuration" | default dict -}}
{{- if kindIs "string" $asked -}}
{{- $asked = fromYaml $asked -}}
{{- with get $asked "Error" -}}
{{- fail (printf "\n\nwebhook-configuration is no YAML: %s\n" .) -}}
{{- end -}}
{{- end -}}
{{- $choices := dict "enable" (list "true" "false" "yes" "no" "on" "off") "mode" (list "webhook" "policy") "failure-policy" (list "ignore" "fail") -}}
{{- range $key, $value := $asked -}}
{{- $text := toString $value -}}
{{- if include "acr.isUnset" $value -}}
{{- else if hasKey $choices $key -}}
{{- if not (has (lower $text) (get $choices $key)) -}}
{{- fail (printf "\n\nwebhook-configuration.%s: %q is none of %s.\n" $key $text (get $choices $key | join ", ")) -}}
{{- end -}}
{{- else if eq $key "timeout-seconds" -}}
{{- if not (and (regexMatch "^[0-9]{1,9}$" $text) (ge (atoi $text) 1) (le (atoi $text) 30)) -}}
{{- fail (printf "\n\nwebhook-configuration.timeout-seconds: %q is no number from 1 to 30.\n" $text) -}}
{{- end -}}
{{- else -}}
{{- fail (printf "\n\nwebhook-configuration has no %q: it has enable, mode, failure-policy and timeout-seconds.\n" $key) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (include "acr.podHelp" .) "append") (not .Values.webhook.enabled) -}}
{{- fail "\n\npodHelp: append (or pods: append) is done by the webhook, and webhook.enabled is false. Turn it on, or write report.\n" -}}
{{- end -}}
{{- if eq .Values.placement "in-cluster" -}}
{{- if .Values.webhook.url -}}
{{- fail "\n\nwebhook.url is for a program outside of the cluster: with placement: in-cluster the API server asks the Service. Leave it out, or set placement: outside.\n" -}}
{{- end -}}
{{- if and .Values.webhook.enabled (eq (int .Values.port) (int .Values.webhook.port)) -}}
{{- fail (printf "\n\nport and webhook.port are both %d: one process listens on both. Give one of them another number.\n" (int .Values.port)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Refuses an upgrade after which the API server would ask a webhook that nobody answers. What is there is looked at, and not
what the configuration wants: the registration goes some moments after the edit. Who renders without a cluster is not kept
from it; the component may take the registration back even then.
*/}}
{{- define "acr.checkRegistration" -}}
{{- if .Release.IsUpgrade -}}
{{- $own := .Release.Namespace -}}
{{- $ours := list -}}
{{- $byService := list -}}
{{- $registration := lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "acr-credential-helper" -}}
{{- /* Another installation may be reached by a URL: its mark tells. */ -}}
{{- if eq (dig "metadata" "annotations" "acr-credential-helper/installation" $own $registration) $own -}}
{{- range get $registration "webhooks" | default list -}}
{{- $led := dig "clientConfig" "service" "namespace" "" . -}}
{{- if has $led (list "" $own) -}}{{- $ours = append $ours .failurePolicy -}}{{- end -}}
{{- if eq $led $own -}}{{- $byService = append $byService .failurePolicy -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $service := lookup "v1" "Service" $own (include "acr.webhook" .) -}}
{{- $answering := include "acr.answering" . -}}
{{- $lost := "" -}}
{{- if and $ours (not .Values.webhook.enabled) -}}
{{- $lost = ternary "webhook.enabled: false takes away the Service in front of it" "webhook.enabled: false takes away the right to renew its certificate" (not (empty $byService)) -}}
{{- else if has "Fail" $byService -}}
{{- if .Values.webhook.url -}}
{{- $lost = "webhook.url takes away the Service in front of it" -}}
{{- else if eq (int .Values.replicas) 0 -}}
{{- $lost = "replicas: 0 leaves nobody who answers" -}}
{{- else if ne (dig "spec" "selector" "app" $answering $service) $answering -}}
{{- $lost = printf "placement: %s leads its Service to other pods, of which none is ready yet" .Values.placement -}}
{{- end -}}
{{- end -}}
{{- if $lost -}}
{{- fail (printf "\n\nThe webhook is registered, and %s: with failure-policy: Fail the API server would refuse every new ServiceAccount in scope. First take it back: set `enable: false` in webhook-configuration of the ConfigMap %s/acr-configuration, and wait:\n    kubectl wait --for=delete mutatingwebhookconfiguration/acr-credential-helper --timeout=2m\nWhere the component does not run: kubectl delete mutatingwebhookconfiguration acr-credential-helper\n" $lost $own) -}}
{{- end -}}
{{- end -}}
{{- end }}
