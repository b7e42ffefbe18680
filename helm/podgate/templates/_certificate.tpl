{{/* The Secret with the certificate. */}}
{{- define "podgate.certificateSecret" -}}
{{- if eq .Values.certificate.source "secret" -}}
{{ .Values.certificate.secretName }}
{{- else -}}
{{ include "podgate.name" . }}-certificate
{{- end -}}
{{- end -}}

{{/* By which names the API server calls, as a list in JSON: the Service's, and the host of webhook.url. */}}
{{- define "podgate.hosts" -}}
{{- $hosts := list (printf "%s.%s.svc" (include "podgate.name" .) .Release.Namespace) -}}
{{- with .Values.webhook.url -}}
{{- $hosts = append $hosts (urlParse .).hostname -}}
{{- end -}}
{{ toJson $hosts }}
{{- end -}}

{{/*
Put the chart's own certificate into .Values.certificate.made, once for all templates: crt, key, ca (PEM), hosts and
renewAfter (seconds since 1970).

The one in the cluster is kept unless it is for other hosts or in the second half of its time. The authority's key is
never kept: a new certificate has a new authority. What the replicas of before trusted stays in ca beside it, since they
serve their certificate until the last of them is replaced.
*/}}
{{- define "podgate.makeCertificate" -}}
{{- if not .Values.certificate.made -}}
{{- $hosts := include "podgate.hosts" . | fromJsonArray -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace (include "podgate.certificateSecret" .) | default dict -}}
{{- $data := $secret.data | default dict -}}
{{- $notes := (($secret.metadata).annotations) | default dict -}}
{{- $before := get $data "ca.crt" | b64dec -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $renewAfter := get $notes "podgate.io/renew-after" | int64 -}}
{{- $made := dict "hosts" ($hosts | join ",") -}}
{{- if and (eq (get $notes "podgate.io/hosts") $made.hosts) (lt $now $renewAfter) -}}
{{- $_ := set $made "crt" (get $data "tls.crt" | b64dec) -}}
{{- $_ := set $made "key" (get $data "tls.key" | b64dec) -}}
{{- $_ := set $made "ca" $before -}}
{{- $_ := set $made "renewAfter" $renewAfter -}}
{{- else -}}
{{- $days := .Values.certificate.days | int -}}
{{- $names := list -}}
{{- $addresses := list -}}
{{- range $hosts -}}
{{- if regexMatch "^[0-9.]+$|:" . -}}
{{- $addresses = append $addresses . -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- $ca := genCA (printf "%s authority" (include "podgate.name" .)) $days -}}
{{- $leaf := genSignedCert (include "podgate.name" .) $addresses $names $days $ca -}}
{{- $last := regexFind "(?s)^(-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n){1,3}" $before -}}
{{- $_ := set $made "crt" $leaf.Cert -}}
{{- $_ := set $made "key" $leaf.Key -}}
{{- $_ := set $made "ca" (print $ca.Cert $last) -}}
{{- $_ := set $made "renewAfter" (add $now (mul $days 43200)) -}}
{{- end -}}
{{- $_ := set .Values.certificate "made" $made -}}
{{- end -}}
{{- end -}}
