// The viewer over /openapi.json. After a sign-in that was tried out here, its token is used for
// what is tried out next; it is kept in this page's memory only.

/* global SwaggerUIBundle */

function tokenOf(answer) {
  const body = answer.body ?? {};
  return body.token ?? body.data?.token;
}

const ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#ui',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayOperationId: false,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  responseInterceptor(answer) {
    const token = answer.url.endsWith('/signin') && answer.ok ? tokenOf(answer) : undefined;
    if (token) {
      ui.authActions.authorize({
        bearer: { name: 'bearer', schema: { type: 'http', scheme: 'bearer' }, value: token },
      });
      const side = answer.url.includes('/doctor/') ? '医生' : '用户';
      document.getElementById('who').textContent = `已以${side}身份登录，后面的请求会带上凭证`;
    }
    return answer;
  },
});
