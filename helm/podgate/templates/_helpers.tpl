{{/* The name of all objects: 52 characters, so that what is added to it still fits. */}}
{{- define "podgate.name" -}}
{{- $name := ternary .Release.Name (printf "%s-podgate" .Release.Name) (contains "podgate" .Release.Name) -}}
{{- $name = .Values.fullnameOverride | default $name | trunc 52 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%q: a Service cannot have this name, which is the release's: set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What tells this release's pods from all others; it must not change over upgrades. */}}
{{- define "podgate.selector" -}}
app.kubernetes.io/name: podgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "podgate.labels" -}}
{{ include "podgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "podgate.image" -}}
{{- $unset := "image.repository: must be set to where you pushed podgate's image" -}}
{{- $repository := required $unset .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a pod, and of its containers. */}}
{{- define "podgate.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "podgate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "podgate.claim" -}}
{{- if .Values.reports.claim.create -}}
{{- if .Values.reports.claim.readOnly -}}
{{- fail "reports.claim.readOnly: with reports.claim.create nobody could put a report into the new volume" -}}
{{- end -}}
{{ include "podgate.name" . }}-reports
{{- else -}}
{{ .Values.reports.claim.existing }}
{{- end -}}
{{- end -}}

{{/* Where replicas may run: all on one node where they write to one volume, which can be on no more. */}}
{{- define "podgate.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if and (include "podgate.claim" .) (not .Values.reports.claim.readOnly) -}}
{{- $together := dict "topologyKey" "kubernetes.io/hostname" -}}
{{- $_ := set $together "labelSelector" (dict "matchLabels" (include "podgate.selector" . | fromYaml)) -}}
{{- $pods := get $affinity "podAffinity" | default dict -}}
{{- $required := get $pods "requiredDuringSchedulingIgnoredDuringExecution" | default list -}}
{{- $_ := set $pods "requiredDuringSchedulingIgnoredDuringExecution" (append $required $together) -}}
{{- $_ := set $affinity "podAffinity" $pods -}}
{{- end -}}
{{- with $affinity }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* The namespaces that the API server asks nothing about. */}}
{{- define "podgate.excluded" -}}
{{ concat (list "kube-system" .Release.Namespace) .Values.webhook.excludeNamespaces | uniq | toJson }}
{{- end -}}

{{/* What any policy matches, of a field of its match: a list in JSON, [] for all. Call it with policies and field. */}}
{{- define "podgate.matched" -}}
{{- $all := false -}}
{{- $matched := list -}}
{{- range .policies -}}
{{- $asked := get (.match | default dict) $.field -}}
{{- if $asked -}}
{{- $matched = concat $matched $asked -}}
{{- else -}}
{{- $all = true -}}
{{- end -}}
{{- end -}}
{{ ternary list ($matched | uniq | sortAlpha) $all | toJson }}
{{- end -}}
