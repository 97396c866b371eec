/** Who may do what on the control API; each role may do what those before it may. */
export const roles = ['read', 'operate', 'admin'] as const
export type Role = (typeof roles)[number]

export interface AccessToken {
  readonly token: string
  readonly role: Role
}
