{{- define "loremotion.labels" -}}
app.kubernetes.io/name: loremotion
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "loremotion.image" -}}
{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- /* Nobody in particular, on a root that is read only. */ -}}
{{- define "loremotion.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "loremotion.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The environment of everything on the web side. */ -}}
{{- define "loremotion.siteEnvironment" -}}
envFrom:
  - secretRef: {name: {{ .Values.secrets.site }}}
env:
  - {name: SITE_URL, value: {{ .Values.siteUrl | quote }}}
  - {name: ALLOWED_HOSTS, value: {{ .Values.host | quote }}}
  - {name: TRUSTED_PROXIES, value: "1"}
  - {name: CLIP_UPLOAD, value: http}
  - {name: LOG_FORMAT, value: json}
  - {name: RELEASE, value: {{ .Values.image.tag | default .Chart.AppVersion | quote }}}
  {{- if .Values.signing.secret }}
  - {name: C2PA_CERTIFICATE, value: /run/signing/certificate.pem}
  - {name: C2PA_PRIVATE_KEY, value: /run/signing/private_key.pem}
  - {name: C2PA_ISSUERS, value: /run/signing/issuers.pem}
  {{- end }}
  {{- range $name, $value := .Values.site }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
{{- end }}

{{- define "loremotion.mediaClaim" -}}
{{ .Values.media.existingClaim | default (printf "%s-media" .Release.Name) }}
{{- end }}

{{- /* Whether clips lie in a bucket, so that no volume has to be one for all. */ -}}
{{- define "loremotion.hasBucket" -}}
{{- if hasPrefix "s3:" (default "" .Values.site.STORAGE_URL) }}true{{ end }}
{{- end }}

{{- define "loremotion.signingVolume" -}}
{{- with .Values.signing.secret }}
- {name: signing, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- end }}

{{- define "loremotion.signingMount" -}}
{{- if .Values.signing.secret }}
- {name: signing, mountPath: /run/signing, readOnly: true}
{{- end }}
{{- end }}

{{- define "loremotion.siteVolumes" -}}
{{- if include "loremotion.hasBucket" . }}
- {name: media, emptyDir: {}}
{{- else }}
- {name: media, persistentVolumeClaim: {claimName: {{ include "loremotion.mediaClaim" . }}}}
{{- end }}
- {name: tmp, emptyDir: {}}
{{- include "loremotion.signingVolume" . }}
{{- end }}

{{- define "loremotion.siteMounts" -}}
- {name: media, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- include "loremotion.signingMount" . }}
{{- end }}
