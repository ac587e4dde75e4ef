import { Navigate, type RouteObject } from 'react-router';

import { Layout } from './layout';
import { Broken, Frameless, NotFound } from './pages/broken';
import { CartPage } from './pages/cart';
import { CatalogPage } from './pages/catalog';
import { CheckoutPage } from './pages/checkout';
import { LoginPage, RegisterPage } from './pages/login';
import { OrderPage, StaffOrderPage } from './pages/order';
import { OrdersPage } from './pages/orders';
import { ProductPage } from './pages/product';
import { Guard } from './guard';

/** The shop's pages load at once; pages for few users load on demand. */
export const routes: RouteObject[] = [
  {
    element: <Layout />,
    errorElement: <Frameless />,
    hydrateFallbackElement: <></>,
    children: [
      {
        errorElement: <Broken />,
        children: [
          { index: true, element: <CatalogPage /> },
          { path: 'products/:slug', element: <ProductPage /> },
          { path: 'cart', element: <CartPage /> },
          { path: 'login', element: <LoginPage /> },
          { path: 'register', element: <RegisterPage /> },
          { path: 'forgot-password', lazy: async () => ({ Component: (await import('./pages/mailed')).ForgotPasswordPage }) },
          { path: 'reset-password', lazy: async () => ({ Component: (await import('./pages/mailed')).ResetPasswordPage }) },
          { path: 'verify-email', lazy: async () => ({ Component: (await import('./pages/mailed')).VerifyEmailPage }) },
          {
            element: <Guard />,
            children: [
              { path: 'account', lazy: async () => ({ Component: (await import('./pages/account')).AccountPage }) },
              { path: 'checkout', element: <CheckoutPage /> },
              { path: 'orders', element: <OrdersPage /> },
              { path: 'orders/:id', element: <OrderPage /> },
            ],
          },
          {
            path: 'admin',
            element: <Guard only="admin" />,
            children: [
              { path: 'products', lazy: async () => ({ Component: (await import('./pages/admin/products')).ProductsPage }) },
              { path: 'products/new', lazy: async () => ({ Component: (await import('./pages/admin/product')).NewProductPage }) },
              { path: 'products/:slug', lazy: async () => ({ Component: (await import('./pages/admin/product')).EditProductPage }) },
              { path: 'orders', lazy: async () => ({ Component: (await import('./pages/admin/orders')).AllOrdersPage }) },
              { path: 'orders/:id', element: <StaffOrderPage /> },
            ],
          },
          {
            path: 'ops',
            element: <Guard only="operator" />,
            children: [
              { index: true, element: <Navigate to="/ops/sagas" replace /> },
              { path: 'sagas', lazy: async () => ({ Component: (await import('./pages/ops/sagas')).SagasPage }) },
              { path: 'sagas/:id', lazy: async () => ({ Component: (await import('./pages/ops/saga')).SagaPage }) },
              { path: 'orders/:id', element: <StaffOrderPage /> },
              { path: 'failed', lazy: async () => ({ Component: (await import('./pages/ops/failed')).FailedPage }) },
              { path: 'failed/:id', lazy: async () => ({ Component: (await import('./pages/ops/message')).MessagePage }) },
              { path: 'doctor', lazy: async () => ({ Component: (await import('./pages/ops/doctor')).DoctorPage }) },
            ],
          },
          { path: 'problems/:slug', lazy: async () => ({ Component: (await import('./pages/problem')).ProblemPage }) },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
  },
];
