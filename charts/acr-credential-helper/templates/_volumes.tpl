{{/* What is mounted, and where the program looks for it. Nothing is written, and nothing is of the node. */}}
{{- define "acr.mounts" -}}
{{- $credentials := .Values.credentials -}}
{{- if or (eq $credentials.rrsaToken "projected") (eq $credentials.registeredKey "mounted") (eq $credentials.addOnToken "mounted") .Values.extraCaConfigMap -}}
volumeMounts:
  {{- if eq $credentials.rrsaToken "projected" }}
  - name: rrsa-token
    mountPath: /var/run/secrets/ack.alibabacloud.com/rrsa-tokens
    readOnly: true
  {{- end }}
  {{- if eq $credentials.registeredKey "mounted" }}
  - name: registered-key
    mountPath: /var/alibaba-addon-secret
    readOnly: true
  {{- end }}
  {{- if eq $credentials.addOnToken "mounted" }}
  - name: add-on-token
    mountPath: /var/addon
    readOnly: true
  {{- end }}
  {{- if .Values.extraCaConfigMap }}
  - name: extra-ca
    mountPath: /etc/acr-credential-helper/extra-ca
    readOnly: true
  {{- end }}
{{- end -}}
{{- end }}

{{- define "acr.volumes" -}}
{{- $credentials := .Values.credentials -}}
{{- if include "acr.mounts" . -}}
volumes:
  {{- if eq $credentials.rrsaToken "projected" }}
  # The token that RRSA presents to the Security Token Service. It is always here, so that RRSA can be turned
  # on in the ConfigMap without a restart.
  - name: rrsa-token
    projected:
      sources:
        - serviceAccountToken:
            audience: sts.aliyuncs.com
            expirationSeconds: 3600
            path: token
  {{- end }}
  {{- if eq $credentials.registeredKey "mounted" }}
  # The keys of a registered cluster, where somebody has created them. Mounted, so that the component needs no
  # right to read them.
  - name: registered-key
    secret:
      secretName: {{ $credentials.registeredKeySecret }}
      optional: true
  {{- end }}
  {{- if eq $credentials.addOnToken "mounted" }}
  # The token of the managed role, where ACK hands one over. Its name follows from those of other roles, which
  # has not been verified.
  - name: add-on-token
    secret:
      secretName: {{ $credentials.addOnTokenSecret }}
      optional: true
      items:
        - key: addon.token.config
          path: token-config
  {{- end }}
  {{- with .Values.extraCaConfigMap }}
  - name: extra-ca
    configMap:
      name: {{ . }}
  {{- end }}
{{- end -}}
{{- end }}
