import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/fraunces/wght.css';
import './styles/index.css';

import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createBrowserRouter, RouterProvider } from 'react-router';

import { mayPass, Refusal } from './lib/api/client';
import { restore } from './lib/session';
import { applyTheme } from './lib/theme';
import { routes } from './routes';

applyTheme();
void restore();

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // a refusal would be repeated; a service that did not answer may answer later
      retry: (failures, error) => failures < 2 && mayPass(error),
      retryDelay: (attempt, error) =>
        error instanceof Refusal && error.retryAfter !== null ? error.retryAfter * 1_000 : 400 * 2 ** attempt,
    },
  },
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={createBrowserRouter(routes)} />
    </QueryClientProvider>
  </StrictMode>,
);
